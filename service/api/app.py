"""The API: builds the parts, mounts the routes, words the errors."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from service.api.dependencies import Parts
from service.api.head import HeadMiddleware
from service.api.middleware import PlainErrorsMiddleware
from service.api.problems import ProblemView, problems
from service.api.routes import datasets, ensembles, exports, health, models, predict, scoring, sweeps, v2
from service.api.routes.jobs import actions, records, submit
from service.errors import Problem, told
from service.errors import invalid as wrong_fields
from service.predict.asgi import PATH, Predict
from service.predict.fast_path import SHORT
from service.predict.reply import worded
from service.predict.schemas import PredictRequest
from service.protocols.asgi import Infer, is_infer
from service.security import SecurityMiddleware
from service.settings import Settings
from service.store.engine import DatabaseError

MAX_BODY_BYTES = 2**20

_SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"


def create_app(settings: Settings) -> FastAPI:
    """Build the API from its settings."""

    @asynccontextmanager
    async def lifespan(app: "_Api") -> AsyncIterator[dict[str, Any]]:
        app.state.parts = Parts.build(app.state.settings)
        app.state.predict = Predict(app.state.parts.predictor)
        app.state.infer = Infer(app.state.parts.predictor, app.state.predict)
        yield {SHORT: app.short}
        app.state.parts.store.database.close()

    app = _Api(
        hosts=settings.allowed_hosts,
        title="Tenfold",
        version=version("tenfold"),
        summary="Train small image classifiers over HTTP, follow them live, and serve what they learned.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    for module in (submit, actions, records, sweeps, models, ensembles, exports, predict, scoring, v2, health):
        # Not for the whole app: there the limit would stand outside of our middleware, and be told in plain text.
        app.include_router(module.router, max_body_size=MAX_BODY_BYTES)
    app.include_router(datasets.router, max_body_size=settings.max_upload_bytes)
    _offer_documentation(app)
    _word_errors(app)
    app.add_middleware(SecurityMiddleware)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts), www_redirect=False)
    app.add_middleware(PlainErrorsMiddleware)
    app.add_middleware(HeadMiddleware)
    return app


class _Api(FastAPI):
    """The API, with a short way to its busiest routes: past the middlewares, where none would act.

    A request that a browser sends says where it comes from, and one under another name than ours is to be refused:
    those take the long way, which leads to the same answer.
    """

    def __init__(self, *, hosts: Iterable[str], **about: Any) -> None:
        super().__init__(**about)
        self._hosts = {host.lower().encode() for host in hosts}

    def short(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Predict | Infer | None:
        """Give what answers an HTTP request by the short way, if it may go there."""
        path: str = scope["path"]
        if scope["method"] != "POST" or not (path == PATH or is_infer(path)):
            return None
        host = headers.get(b"host", b"")
        ours = host in self._hosts or host.rpartition(b":")[0] in self._hosts
        if not ours or b"origin" in headers or b"sec-fetch-site" in headers:
            return None
        answers: Predict | Infer = self.state.predict if path == PATH else self.state.infer
        return answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        short = self.short(scope, dict(scope["headers"])) if scope["type"] == "http" else None
        if short is not None:
            await short(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _offer_documentation(app: FastAPI) -> None:
    """Serve /docs from local files: it works without the internet."""
    app.mount("/static", StaticFiles(directory=_SWAGGER_UI.parent), name="static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Tenfold API",
            swagger_js_url="/static/swagger-ui/swagger-ui-bundle.js",
            swagger_css_url="/static/swagger-ui/swagger-ui.css",
            swagger_favicon_url="/static/swagger-ui/favicon-32x32.png",
        )

    describe = app.openapi

    def openapi() -> dict[str, Any]:
        schema = describe()
        components = schema["components"]["schemas"]
        if "ProblemView" not in components:
            for model in (ProblemView, PredictRequest):
                shape = model.model_json_schema(ref_template="#/components/schemas/{model}")
                components |= shape.pop("$defs", {}) | {model.__name__: shape}
            # FastAPI's own idea of an invalid request is not what is sent here.
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            for methods in schema["paths"].values():
                for route in methods.values():
                    if "422" in route["responses"]:
                        route["responses"]["422"] = problems(422)[422]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _word_errors(app: FastAPI) -> None:
    """Turn every error into a problem document."""

    @app.exception_handler(Problem)
    @app.exception_handler(DatabaseError)
    # Starlette logs what nobody foresaw with its trace; whoever sent the request is told that it is not their fault.
    @app.exception_handler(Exception)
    async def problem(request: Request, error: Exception) -> Response:
        why = worded(error)
        headers = {"Retry-After": str(why.retry_after)} if why.retry_after is not None else {}
        return _problem(request, why.status, why.detail, why.faults, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return await problem(request, wrong_fields(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _problem(request, error.status_code, error.detail, headers=dict(error.headers or {}))


def _problem(
    request: Request, status: int, detail: str, faults: Any = (), headers: dict[str, str] | None = None
) -> Response:
    status, body, kind = told(status, detail, request.url.path, faults)
    return JSONResponse(body, status_code=status, headers=headers, media_type=kind)
