"""/predict: ask a network. Here it is described; `service.predict.asgi` answers it. What one version takes is told."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.dependencies import Deps, admitted
from service.api.problems import problems
from service.api.routes.models import ModelName, Version, the_version
from service.predict.asgi import PATH, Predict
from service.predict.inputs.described import described
from service.predict.receive import MAX_BODY_BYTES
from service.predict.schemas import MAX_IMAGES, Predictions, PredictionWithModel, PredictQuery

router = APIRouter(tags=["predict"])

_BLANK_ROW = [0.0] * 28
_EXAMPLE = {"image": [_BLANK_ROW] * 4 + [[0.0] * 13 + [255.0] * 2 + [0.0] * 13] * 20 + [_BLANK_ROW] * 4}
_ROW = {"alcohol": 13.2, "magnesium": 127, "colour": "deep"}
_CSV = "alcohol,magnesium,colour\n13.2,127,deep\n12.4,,pale\n"
_JSON_LINES = '{"alcohol": 13.2, "magnesium": 127, "colour": "deep"}\n{"alcohol": 12.4, "colour": "pale"}\n'
_EXAMPLES = {
    "image": {"summary": "A picture of a model of digits", "value": _EXAMPLE},
    "row": {"summary": "A row of a model of a table, by the names of its columns", "value": {"row": _ROW}},
    "rows": {"summary": "Several rows", "value": {"rows": [_ROW, {"alcohol": 12.4, "colour": "pale"}]}},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_LINED = {
    "text/csv": {
        "schema": {"type": "string"},
        "examples": {
            "rows": {"summary": "Rows of a table, below the names of their columns", "value": _CSV},
            "pictures": {"summary": "Two pictures of 2 x 2 pixels", "value": "0,255,255,0\n255,0,0,255\n"},
        },
    },
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "examples": {
            "rows": {"summary": "A row of a table in each line", "value": _JSON_LINES},
            "pictures": {"summary": "Two pictures of 2 x 2", "value": "[[0, 255], [255, 0]]\n[[255, 0], [0, 255]]\n"},
        },
    },
}
_PICTURES = tuple(f"image/{kind}" for kind in ("png", "jpeg", "webp", "avif", "gif", "bmp", "tiff"))
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest"}, "examples": _EXAMPLES},
            **_LINED,
            **dict.fromkeys(_PICTURES, _BINARY),
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {"type": "array", "items": _BINARY["schema"], "maxItems": MAX_IMAGES},
                        **PredictQuery.model_json_schema()["properties"],
                    },
                }
            },
        },
    }
}
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/PredictionWithModel"}},
            "text/csv": {"schema": {"type": "string"}, "example": "label,probability\nBarolo,0.98\nBarbera,0.71\n"},
        }
    }
}


class _Delegated(Response):
    """What `service.predict.asgi` answers."""

    def __init__(self, predict: Predict) -> None:
        super().__init__()
        self._predict = predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._predict(scope, receive, send)


@router.post(
    PATH,
    summary="Ask a network",
    max_body_size=MAX_BODY_BYTES,
    openapi_extra=_BODY,
    response_model=PredictionWithModel | Predictions,
    responses={**_FORMS, **problems(400, 404, 409, 413, 415, 422, 429, 500, 503)},
)
async def predict(request: Request, _query: Annotated[PredictQuery, Query()]) -> Response:
    """Tell to which class an image or a row of a table belongs, or each of several.

    The body is JSON with `image` or `images` (as many rows of as many numbers as the model's images have, on their
    scale: of digits 28 rows of 28, 0 for paper and 255 for ink) or `images_base64`, or, of models that learned from a
    table, with `row` or `rows` by the names of the columns; or a PNG of any size up to 1024 x 1024; or raw bytes, one
    for each number; or a form with a PNG in each of its files, whatever they are called, and with any of the parameters
    below as its fields, each given once, here or there. What one version takes: `/models/{name}/versions/{n}/schema`.
    A file of a form that can not be read has an error in its place, and the others are answered; of all else nothing
    is answered unless everything can be read.

    CSV (`text/csv`) has the names of a table's columns in its first line, in any order, and a row in each further one;
    comma, semicolon, tab or bar separate cells, and decimals have a point or a comma, as in a file of data. Of pictures
    each line has the numbers of one, row by row. Lines of JSON (`application/x-ndjson`) have a row or an image each. Of
    both, what cannot be taken is refused by the number of its line; the model is named in the query.

    Who accepts `application/x-ndjson` gets a line for each image or row, as soon as it is there; should that end early,
    the last line is the problem. Who accepts `text/csv` gets a line for each, with its `label` and the `probability` of
    that; with `named` a column `probability_...` for each class, with `top_k` columns `top_1`, `top_1_probability` and
    so on, with `details` and `reject_below` what they tell; and with `notes` or `error` where there are any. Its
    Content-Disposition tells which version answered. Whoever accepts neither gets JSON.
    """
    return _Delegated(request.app.state.serving.of(admitted(request)).predict)


@router.get(
    "/models/{name}/versions/{version}/schema",
    summary="What a version takes",
    tags=["models"],
    response_class=JSONResponse,
    responses=problems(404, 409, 422, 500, 503),
)
async def schema(name: ModelName, version: Version, deps: Deps) -> dict[str, Any]:
    """Give the JSON Schema of one request to `/predict` for this version, with an example that can be sent as it is."""
    await run_in_threadpool(the_version, deps, name, version)
    reference = f"{name}/{version}"
    served = await deps.predictor.find(reference)
    return described(served.network.schema, served.input, reference)
