"""/docs, without the internet, and the OpenAPI document that it shows."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from service.api.problems import ProblemView, ProtocolProblemView, problems
from service.errors import MEDIA_TYPE, rendered
from service.predict.schemas import PredictRequest

_SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"


def offer_documentation(app: FastAPI) -> None:
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
