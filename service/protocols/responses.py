"""From scores to an Open Inference Protocol answer: JSON, and after it the tensors that were asked for as bytes."""

import struct
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.predict.served import LOGITS, PROBABILITIES, Scores
from service.protocols.requests import Asked, Output


def encode(scores: Scores, asked: Asked, model: str, version: str | None) -> tuple[bytes, int | None]:
    """Give the body that answers by scores, and how long its JSON is if bytes follow."""
    outputs, tails = [], []
    for output in asked.outputs:
        values = _values(output, scores)
        about: dict[str, Any] = {"name": output.name, "datatype": _DATATYPES[values.dtype.kind], "shape": values.shape}
        if output.binary:
            tail = _bytes(values)
            about["parameters"] = {"binary_data_size": len(tail)}
            tails.append(tail)
        else:
            about["data"] = values.ravel().tolist() if values.dtype.kind == "O" else values.ravel()
        outputs.append(about)
    answer = {"model_name": model, "model_version": version, "id": asked.id, "outputs": outputs}
    if version is None:
        del answer["model_version"]
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return (head + b"".join(tails), len(head)) if tails else (head, None)


_DATATYPES = {"f": "FP32", "i": "INT64", "O": "BYTES"}


def _values(output: Output, scores: Scores) -> NDArray[Any]:
    if output.name == "digit":
        digits: NDArray[np.int64] = scores[:, LOGITS].argmax(axis=1).astype("<i8")
        return digits
    values = scores[:, LOGITS if output.name == "logits" else PROBABILITIES]
    if not output.classes:
        return np.ascontiguousarray(values)
    order = np.argsort(-values, axis=1, kind="stable")[:, : output.classes]
    named = [[f"{row[digit]:f}:{digit}:{digit}" for digit in best] for row, best in zip(values, order, strict=True)]
    return np.array(named, dtype=object)


def _bytes(values: NDArray[Any]) -> bytes:
    if values.dtype.kind != "O":
        return values.tobytes()
    return b"".join(struct.pack("<I", len(text)) + text.encode() for text in values.ravel())
