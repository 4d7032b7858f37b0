"""/predict: read digits."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from numpy.typing import NDArray
from pydantic import ValidationError

from models.images import from_png
from models.spec import PIXELS
from service.errors import Fault, Invalid, Malformed, UnsupportedMedia
from service.predictor import Served
from service.routes import Given
from service.schemas import (
    Identifier,
    ModelView,
    Prediction,
    Predictions,
    PredictionWithModel,
    PredictRequest,
    problems,
)

router = APIRouter(tags=["predict"])

MAX_BODY_BYTES = 8 * 2**20
MAX_IMAGES = 1000

_BLANK_ROW = [0.0] * 28
_EXAMPLE = {"image": [_BLANK_ROW] * 4 + [[0.0] * 13 + [255.0] * 2 + [0.0] * 13] * 20 + [_BLANK_ROW] * 4}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest"}, "example": _EXAMPLE},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

Images = NDArray[np.uint8] | NDArray[np.float32]


@router.post(
    "/predict",
    summary="Read digits",
    max_body_size=MAX_BODY_BYTES,
    openapi_extra=_BODY,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
async def predict(
    request: Request,
    parts: Given,
    model: Annotated[Identifier | None, Query(description="Id of a job, for bodies that are no JSON.")] = None,
) -> PredictionWithModel | Predictions:
    """Read the digit in an image, or the digits in several.

    The body is JSON with `image` or `images` (28 rows of 28 numbers, 0 for paper and 255 for ink), or a PNG of any
    size up to 1024 x 1024, or raw bytes, 784 for each image.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    return await run_in_threadpool(_answer, parts, kind, body, model)


def _answer(parts: Given, kind: str, body: bytes, model: str | None) -> PredictionWithModel | Predictions:
    images, several, named = _READERS.get(kind, _refuse)(body)
    served = parts.predictor.find(named or model)
    predictions = [
        Prediction(digit=int(row.argmax()), probabilities=[float(f"{value:.7g}") for value in row])
        for row in served.network.probabilities(images)
    ]
    if several:
        return Predictions(predictions=predictions, model=_view(served))
    return PredictionWithModel(**predictions[0].model_dump(), model=_view(served))


def _view(served: Served) -> ModelView:
    return ModelView(job_id=served.job_id, epoch=served.network.epoch, weights_sha256=served.weights_sha256)


Body = tuple[Images, bool, str | None]
"""The images [n, 28, 28], whether the answer is a list, and the model that the body names."""


def _from_json(body: bytes) -> Body:
    try:
        asked = PredictRequest.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise Malformed("the body is no valid JSON") from None
        raise RequestValidationError(
            [
                {**fault, "loc": ("body", *fault["loc"])}
                for fault in error.errors(include_url=False, include_input=False)
            ]
        ) from None
    if (asked.image is None) == (asked.images is None):
        detail = "give either image (one) or images (several)"
        raise Invalid(detail, faults=[Fault("/image", detail)])
    several = asked.images is not None
    images = np.array(asked.images if several else [asked.image], dtype=np.float32)
    return images, several, asked.model


def _from_png(body: bytes) -> Body:
    try:
        return from_png(body)[None], False, None
    except ValueError as error:
        raise Invalid(str(error)) from None


def _from_bytes(body: bytes) -> Body:
    count, rest = divmod(len(body), PIXELS)
    if rest or not 1 <= count <= MAX_IMAGES:
        raise Invalid(f"the body has {len(body):,} bytes; send {PIXELS} for each of 1 to {MAX_IMAGES} images")
    return np.frombuffer(body, np.uint8).reshape(count, 28, 28), count > 1, None


def _refuse(_body: bytes) -> Body:
    raise UnsupportedMedia("send application/json, image/png or application/octet-stream")


_READERS = {
    "application/json": _from_json,
    "image/png": _from_png,
    "application/octet-stream": _from_bytes,
}
