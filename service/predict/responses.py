"""From probabilities to the bytes of an answer: a float32 is written with as many digits as tell it from all others."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from service.predict.schemas import PredictQuery

Probabilities = NDArray[np.float32]


def one(row: Probabilities, model: bytes) -> bytes:
    """Encode what was read in an image, float32 [10], by the model that is described in JSON."""
    numbers = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
    return b'{"digit":%d,"probabilities":%b,"model":%b}' % (row.argmax(), numbers, model)


def each(rows: Probabilities, query: PredictQuery, details: Sequence[bytes] = ()) -> list[bytes]:
    """Encode what was read in each of several images, float32 [n, 10], without the model.

    `details` are further members of each, with a comma in front.
    """
    if not len(rows):
        return []
    digits: list[bytes] = [b"%d" % digit for digit in rows.argmax(axis=1).tolist()]
    more = list(details) or [b""] * len(rows)
    if query.top_k is not None:
        more = [top + its for top, its in zip(_tops(rows, query.top_k), more, strict=True)]
    if query.reject_below is not None:
        for place, is_rejected in enumerate((rows.max(axis=1) < query.reject_below).tolist()):
            more[place] += b',"rejected":true' if is_rejected else b',"rejected":false'
            digits[place] = b"null" if is_rejected else digits[place]
    # All rows are written at once, and then taken apart.
    numbers = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
    parts = zip(digits, numbers, more, strict=True)
    return [b'{"digit":%b,"probabilities":[%b]%b}' % part for part in parts]


def several(predictions: list[bytes], model: bytes) -> bytes:
    """Encode an answer to several images."""
    return b'{"predictions":[%b],"model":%b}' % (b",".join(predictions), model)


def with_model(prediction: bytes, model: bytes) -> bytes:
    """Encode a prediction as the answer to one image."""
    return b'%b,"model":%b}' % (prediction[:-1], model)


def lines(predictions: list[bytes], model: bytes) -> bytes:
    """Encode predictions as lines, each of which could be the answer to one image."""
    return b"".join([with_model(prediction, model) + b"\n" for prediction in predictions])


def unreadable(error: str) -> bytes:
    """Encode what stands in the place of a file that could not be read."""
    return orjson.dumps({"error": error})


def _tops(rows: Probabilities, top_k: int) -> list[bytes]:
    order = np.argsort(-rows, axis=1, kind="stable")[:, :top_k]
    numbers = orjson.dumps(np.take_along_axis(rows, order, axis=1), option=orjson.OPT_SERIALIZE_NUMPY)
    ranked = (
        [b'{"digit":%d,"probability":%b}' % pair for pair in zip(digits, row.split(b","), strict=True)]
        for digits, row in zip(order.tolist(), numbers[2:-2].split(b"],["), strict=True)
    )
    return [b',"top":[%b]' % b",".join(pairs) for pairs in ranked]
