"""The API: builds the parts, mounts the routes, words the errors."""

from collections.abc import AsyncIterator
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

from service.errors import MEDIA_TYPE, Fault, Problem, document, pointer, sentence
from service.head import HeadMiddleware
from service.parts import Parts
from service.plain_errors import PlainErrorsMiddleware
from service.routes import datasets, health, job_actions, job_records, jobs, predict, sweeps
from service.schemas import PredictRequest, ProblemView, problems
from service.security import SecurityMiddleware
from service.settings import Settings
from service.store.engine import DatabaseError

MAX_BODY_BYTES = 2**20

_SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"


def create_app(settings: Settings) -> FastAPI:
    """Build the API from its settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = Parts.build(settings)
        yield
        app.state.parts.store.database.close()

    app = FastAPI(
        title="Tenfold",
        version=version("tenfold"),
        summary="Train small image classifiers over HTTP, follow them live, and serve what they learned.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for module in (jobs, job_actions, job_records, sweeps, predict, health):
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
    async def problem(request: Request, error: Problem) -> Response:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
        return _problem(request, error.status, error.detail, error.faults, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        if any(fault["type"] == "json_invalid" for fault in errors):
            return _problem(request, 400, "the body is no valid JSON")
        faults = [Fault(pointer(fault["loc"]), sentence(fault)) for fault in errors]
        summary = "; ".join(f"{_name(fault['loc'])}: {sentence(fault)}" for fault in errors[:3])
        return _problem(request, 422, summary, faults)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _problem(request, error.status_code, error.detail, headers=dict(error.headers or {}))

    @app.exception_handler(DatabaseError)
    async def database(request: Request, _error: DatabaseError) -> Response:
        detail = "the database does not answer or is busy; nothing was changed"
        return _problem(request, 503, detail, headers={"Retry-After": "5"})

    @app.exception_handler(Exception)
    async def unexpected(request: Request, _error: Exception) -> Response:
        # Starlette logs the error with its trace; whoever sent the request is told that it is not their fault.
        return _problem(request, 500, "something went wrong here; the log of the API says what")


def _problem(
    request: Request, status: int, detail: str, faults: Any = (), headers: dict[str, str] | None = None
) -> Response:
    body = document(status, detail, request.url.path, faults)
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _name(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])
