"""/docs, without the internet, and the OpenAPI document that it shows."""

import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import Mount, Route

from service.api.policy import table
from service.api.problems import ProblemView, ProtocolProblemView, problems
from service.edge.links import ROOT
from service.errors import MEDIA_TYPE, rendered
from service.predict.schemas import PredictRequest

_SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"


def offer_documentation(app: FastAPI) -> list[Route | Mount]:
    """Serve /docs from local files: it works without the internet. Gives the routes that do it."""
    before = len(app.router.routes)
    app.mount("/static", StaticFiles(directory=_SWAGGER_UI.parent), name="static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _page(ROOT.get())

    @app.get("/openapi.json", include_in_schema=False)
    def document() -> JSONResponse:  # in a thread: it may have to be made
        root, told = ROOT.get(), app.openapi()
        told = told if app.state.settings.asks_for_keys else _where_no_key_is_needed(told)
        return JSONResponse({**told, "servers": [{"url": root}]} if root else told)

    describe = app.openapi

    made = Lock()

    def openapi() -> dict[str, Any]:
        with made:
            return _described()

    def _described() -> dict[str, Any]:
        schema = describe()
        components = schema["components"]["schemas"]
        if "ProblemView" not in components:
            for model in (ProblemView, ProtocolProblemView, PredictRequest):
                shape = model.model_json_schema(ref_template="#/components/schemas/{model}")
                components |= shape.pop("$defs", {}) | {model.__name__: shape}
            # FastAPI's own idea of an invalid request is not what is sent here.
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            schema["components"]["securitySchemes"] = SCHEMES
            for path, methods in schema["paths"].items():
                for method, route in methods.items():
                    scopes = _SCOPES[f"{method.upper()} {path}"]
                    route["security"] = [{"key": [scope]} for scope in sorted(scopes)]
                    refused = problems(401, 403) if scopes else {}
                    told = {str(status): answer for status, answer in refused.items()} | route["responses"]
                    route["responses"] = _as_sent(path, told)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return [route for route in app.router.routes[before:] if isinstance(route, Route | Mount)]


SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tf_<id>_<secret>_<checksum>",
        "description": "A key, where `TENFOLD_AUTH` asks for keys; the scope that each route takes is named with it. "
        "The password of `Basic`, and `X-Api-Key`, are read as well. GET takes a ticket instead, `?ticket=`, which "
        "POST /tickets makes. With the scope admin, `?account=` asks for another account.",
    }
}
_SCOPES = {re.sub(r":\w+}", "}", name): scopes for name, scopes in table().items()}


def _where_no_key_is_needed(described: dict[str, Any]) -> dict[str, Any]:
    """Give a document whose routes take a key, or none: `{}` among their alternatives."""
    paths = {
        path: {method: {**route, "security": [*route["security"], {}]} for method, route in methods.items()}
        for path, methods in described["paths"].items()
    }
    return {**described, "paths": paths}


def _as_sent(path: str, responses: dict[str, Any]) -> dict[str, Any]:
    """Declare the errors of a route by the status, and in the form, that its clients get them."""
    declared = dict(responses)
    for told, response in responses.items():
        if MEDIA_TYPE in response.get("content", {}) or told == "422":  # which FastAPI declares in its own form
            status, _, media_type = rendered(int(told), "", path)
            del declared[told]
            declared[str(status)] = problems(status, media_type=media_type)[status]
    return dict(sorted(declared.items()))


@lru_cache(maxsize=16)
def _page(root: str) -> HTMLResponse:
    """Give the page for who has come by the path `root`; it runs what it brings along, and nothing else."""
    files = f"{root}/static/swagger-ui"
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Tenfold API",
        swagger_js_url=f"{files}/swagger-ui-bundle.js",
        swagger_css_url=f"{files}/swagger-ui.css",
        swagger_favicon_url=f"{files}/favicon-32x32.png",
    )
    script = bytes(page.body).partition(b"<script>")[2].partition(b"</script>")[0]
    digest = b64encode(sha256(script).digest()).decode()
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    page.headers["X-Frame-Options"] = "DENY"
    return page
