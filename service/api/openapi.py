"""/docs, without the internet, and the OpenAPI document that it shows."""

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

from service.api.problems import ProblemView, ProtocolProblemView, problems
from service.edge.links import ROOT
from service.errors import MEDIA_TYPE, rendered
from service.predict.schemas import PredictRequest

_SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"


def offer_documentation(app: FastAPI) -> None:
    """Serve /docs from local files: it works without the internet."""
    app.mount("/static", StaticFiles(directory=_SWAGGER_UI.parent), name="static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _page(ROOT.get())

    @app.get("/openapi.json", include_in_schema=False)
    def document() -> JSONResponse:  # in a thread: it may have to be made
        root = ROOT.get()
        return JSONResponse({**app.openapi(), "servers": [{"url": root}]} if root else app.openapi())

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
            for path, methods in schema["paths"].items():
                for route in methods.values():
                    route["responses"] = _as_sent(path, route["responses"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


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
