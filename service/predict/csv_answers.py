"""Predictions as CSV (RFC 4180), a line for each example in their order: in columns what JSON says of it.

Names of classes are written as they are, because they are compared with the data; a note begins with a word, so that
no table calculator takes one for a formula.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.errors import Fault, Invalid
from service.predict.schemas import ModelView, PredictQuery
from service.security import Header

_LONGEST_SENT = 40
_TO_QUOTE = re.compile(r'[",\r\n]|^\s|\s$')


class Answers:
    """Writes the predictions of one request; raises Invalid where more is asked for than fits into columns.

    `noted` tells whether there are notes, and `unreadable` whether files could not be read: of either there is a column
    only then.
    """

    def __init__(self, classes: Sequence[str], query: PredictQuery, *, noted: bool, unreadable: bool) -> None:
        if query.explain is not None:
            detail = "an explanation has no place in CSV; ask for JSON, or without explain"
            raise Invalid(detail, faults=[Fault("#query/explain", detail)])
        self._names = np.array([_cell(name) for name in classes], object)
        self._query, self._noted, self._unreadable = query, noted, unreadable
        names = ["label", "probability"]
        names += [f"probability_{name}" for name in classes] if query.named else []
        for place in range(1, (query.top_k or 0) + 1):
            names += [f"top_{place}", f"top_{place}_probability"]
        names += ["rejected"] if query.reject_below is not None else []
        names += ["entropy", "novelty"] if query.details else []
        names += ["notes"] if noted else []
        self._before = len(names)
        names += ["error"] if unreadable else []
        self.header = _line(map(_cell, names))

    def each(self, probabilities_BC: NDArray[np.float32], details: Sequence[bytes] = ()) -> list[bytes]:
        """Write a line for each of several examples; `details` are further members in JSON, with a comma in front."""
        told = [orjson.loads(b"{%b}" % members[1:]) for members in details] or [{}] * len(probabilities_BC)
        return [_line(cells) for cells in zip(*self._columns(probabilities_BC, told), strict=True)]

    def unreadable(self, error: str) -> bytes:
        """Write what stands in the place of a file that could not be read."""
        return _line([*[""] * self._before, _cell(error)])

    def _columns(self, probabilities_BC: NDArray[np.float32], told: list[dict[str, Any]]) -> Iterator[Sequence[str]]:
        query, best_B, surest_B = self._query, probabilities_BC.argmax(axis=1), probabilities_BC.max(axis=1)
        is_rejected = np.zeros(len(best_B), bool) if query.reject_below is None else surest_B < query.reject_below
        yield np.where(is_rejected, "", self._names[best_B]).tolist()
        yield _written(surest_B)
        if query.named:
            yield from map(_written, probabilities_BC.T)
        if query.top_k is not None:
            order_BK = np.argsort(-probabilities_BC, axis=1, kind="stable")[:, : query.top_k]
            for place_B in order_BK.T:
                yield self._names[place_B].tolist()
                yield _written(probabilities_BC[np.arange(len(place_B)), place_B])
        if query.reject_below is not None:
            yield ["true" if is_it else "false" for is_it in is_rejected.tolist()]
        if query.details:
            yield ["" if its["entropy"] is None else str(its["entropy"]) for its in told]
            yield ["" if its["novelty"] is None else str(its["novelty"]) for its in told]
        if self._noted:
            yield [_cell("; ".join(map(_note, its.get("notes", ())))) for its in told]
        if self._unreadable:
            yield [""] * len(best_B)


def headers_of(model: ModelView) -> Sequence[Header]:
    """Give the headers of such an answer, whose name for a file tells which network gave it."""
    who = model.job_id if model.name is None else f"{model.name}-{model.version}"
    file = re.sub(r"[^\w.-]", "_", f"{who}.csv", flags=re.ASCII).encode()
    return [
        (b"content-type", b"text/csv; charset=utf-8; header=present"),
        (b"content-disposition", b'inline; filename="%b"' % file),
    ]


def _line(cells: Any) -> bytes:
    return (",".join(cells) + "\r\n").encode()


def _cell(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if _TO_QUOTE.search(text) else text


def _written(numbers_B: NDArray[np.float32]) -> Sequence[str]:
    """Write numbers as JSON has them."""
    text = orjson.dumps(np.ascontiguousarray(numbers_B), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].decode().split(",")


def _note(note: Mapping[str, Any]) -> str:
    """Say what was noted of a column: missing, unknown or ignored."""
    if note["kind"] == "missing":
        return f"missing: {note['column']}, taken as {note['used']}"
    if note["kind"] == "ignored":
        return f"ignored: {note['column']}"
    nearest = f", perhaps {note['nearest']}" if "nearest" in note else ""
    return f"unknown: {note['column']} {str(note['sent'])[:_LONGEST_SENT]}{nearest}"
