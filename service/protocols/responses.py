"""From scores to an Open Inference Protocol answer: JSON, and after it the tensors that were asked for as bytes."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.predict.inputs.taken import Note
from service.predict.served import LOGITS, PROBABILITIES, Scores
from service.protocols.outputs import Output

Notes = Mapping[int, Sequence[Note]]


def encode(
    scores: Scores,
    outputs: Sequence[Output],
    classes: Sequence[str],
    name: str,
    model: str,
    version: str | None,
    notes: Notes,
) -> tuple[bytes, int | None]:
    """Give the body that answers the request of this `name` by scores, and how long its JSON is if bytes follow.

    Notes are told as a text in JSON, because a parameter may be nothing else.
    """
    told, tails = [], []
    for output in outputs:
        values = _values(output, scores, classes)
        about: dict[str, Any] = {"name": output.name, "datatype": _DATATYPES[values.dtype.kind], "shape": values.shape}
        if output.binary:
            tail = _bytes(values)
            about["parameters"] = {"binary_data_size": len(tail)}
            tails.append(tail)
        else:
            about["data"] = values.ravel().tolist() if values.dtype.kind == "O" else values.ravel()
        told.append(about)
    answer: dict[str, Any] = {"model_name": model, "model_version": version, "id": name, "outputs": told}
    if version is None:
        del answer["model_version"]
    if notes:
        rows = [{"row": row, **note.document()} for row, its in notes.items() for note in its]
        answer["parameters"] = {"notes": orjson.dumps(rows).decode()}
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return (head + b"".join(tails), len(head)) if tails else (head, None)


def predictions(scores: Scores, classes: Sequence[str], notes: Notes, *, has_digits: bool) -> bytes:
    """Give the body that answers MLflow's and TensorFlow Serving's clients: an object for each example."""
    logits, probabilities = scores[:, LOGITS], scores[:, PROBABILITIES]
    told = []
    for row, best in enumerate(logits.argmax(axis=1).tolist()):
        one = {"digit": best} if has_digits else {}
        one |= {"label": classes[best], "logits": logits[row], "probabilities": probabilities[row]}
        if row in notes:
            one["notes"] = [note.document() for note in notes[row]]
        told.append(one)
    return orjson.dumps({"predictions": told}, option=orjson.OPT_SERIALIZE_NUMPY)


_DATATYPES = {"f": "FP32", "i": "INT64", "O": "BYTES"}


def _values(output: Output, scores: Scores, classes: Sequence[str]) -> NDArray[Any]:
    if output.name in ("digit", "label"):
        best: NDArray[np.int64] = scores[:, LOGITS].argmax(axis=1).astype("<i8")
        return best if output.name == "digit" else np.array([classes[place] for place in best.tolist()], object)
    values = scores[:, LOGITS if output.name == "logits" else PROBABILITIES]
    if not output.classes:
        return np.ascontiguousarray(values)
    order = np.argsort(-values, axis=1, kind="stable")[:, : output.classes].tolist()
    named = [[f"{row[at]:f}:{at}:{classes[at]}" for at in best] for row, best in zip(values, order, strict=True)]
    return np.array(named, dtype=object)


def _bytes(values: NDArray[Any]) -> bytes:
    if values.dtype.kind != "O":
        return values.tobytes()
    texts = [text.encode() for text in values.ravel()]
    return b"".join([struct.pack("<I", len(text)) + text for text in texts])
