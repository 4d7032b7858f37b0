"""From probabilities to the bytes of an answer: a float32 is written with as many digits as tell it from all others."""

import numpy as np
import orjson
from numpy.typing import NDArray

Probabilities = NDArray[np.float32]


def one(row: Probabilities, model: bytes, top_k: int | None = None) -> bytes:
    """Word what was read in an image, float32 [10], by the model that is described in JSON."""
    numbers = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
    top = _top(row, top_k) if top_k else b""
    return b'{"digit":%d,"probabilities":%b%b,"model":%b}' % (row.argmax(), numbers, top, model)


def each(rows: Probabilities, top_k: int | None = None) -> list[bytes]:
    """Word what was read in each of several images, float32 [n, 10], without the model."""
    if not len(rows):
        return []
    digits = rows.argmax(axis=1).tolist()
    # All rows are written at once, and then taken apart.
    numbers = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
    tops = [_top(row, top_k) for row in rows] if top_k else [b""] * len(rows)
    parts = zip(digits, numbers, tops, strict=True)
    return [b'{"digit":%d,"probabilities":[%b]%b}' % part for part in parts]


def several(predictions: list[bytes], model: bytes) -> bytes:
    """Word an answer to several images."""
    return b'{"predictions":[%b],"model":%b}' % (b",".join(predictions), model)


def lines(predictions: list[bytes], model: bytes) -> bytes:
    """Word predictions as lines, each of which could be the answer to one image."""
    return b"".join([b'%b,"model":%b}\n' % (prediction[:-1], model) for prediction in predictions])


def unreadable(error: str) -> bytes:
    """Word what stands in the place of a file that could not be read."""
    return orjson.dumps({"error": error})


def _top(row: Probabilities, top_k: int) -> bytes:
    order = np.argsort(-row, kind="stable")[:top_k]
    numbers = orjson.dumps(row[order], option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    ranked = (b'{"digit":%d,"probability":%b}' % pair for pair in zip(order.tolist(), numbers, strict=True))
    return b',"top":[%b]' % b",".join(ranked)
