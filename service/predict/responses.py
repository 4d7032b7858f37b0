"""From probabilities to the bytes of an answer: a float32 is written with as many digits as tell it from all others."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.schema import USUAL
from service.predict.schemas import PredictQuery

Probabilities = NDArray[np.float32]


class Words:
    """What is said of each class, encoded once for all answers; `digit` of the digits 0 to 9 alone."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.names = [orjson.dumps(name) for name in classes]
        digits: Sequence[bytes] = [b""] * len(classes)
        self._no_digit = b""
        if tuple(classes) == USUAL.classes:
            digits, self._no_digit = [b'"digit":%d,' % digit for digit in range(10)], b'"digit":null,'
        about = [b'%b"label":%b,' % pair for pair in zip(digits, self.names, strict=True)]
        self.heads = [b'{%b"probabilities":' % its for its in about]
        self.behind_another = [b"]},%b[" % head for head in self.heads]
        self.rejected = b'{%b"label":null,"probabilities":' % self._no_digit
        self.ranked = [b'{%b"probability":' % its for its in about]


def one(row: Probabilities, words: Words, model: bytes) -> bytes:
    """Encode what was read in an example, float32 [C], by the model that is described in JSON."""
    numbers = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
    return b'%b%b,"model":%b}' % (words.heads[row.argmax()], numbers, model)


def each(rows: Probabilities, words: Words, query: PredictQuery, details: Sequence[bytes] = ()) -> list[bytes]:
    """Encode what was read in each of several examples, float32 [n, C], without the model.

    `details` are further members of each, with a comma in front.
    """
    if not len(rows):
        return []
    heads: list[bytes] = [words.heads[place] for place in rows.argmax(axis=1).tolist()]
    more = list(details) or [b""] * len(rows)
    if query.top_k is not None:
        more = [top + its for top, its in zip(_tops(rows, words, query.top_k), more, strict=True)]
    if query.reject_below is not None:
        for place, is_rejected in enumerate((rows.max(axis=1) < query.reject_below).tolist()):
            more[place] += b',"rejected":true' if is_rejected else b',"rejected":false'
            heads[place] = words.rejected if is_rejected else heads[place]
    # All rows are written at once, and then taken apart.
    numbers = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
    if query.named:
        named = (
            b",".join([b"%b:%b" % pair for pair in zip(words.names, row.split(b","), strict=True)]) for row in numbers
        )
        return [b"%b{%b}%b}" % part for part in zip(heads, named, more, strict=True)]
    return [b"%b[%b]%b}" % part for part in zip(heads, numbers, more, strict=True)]


def together(rows: Probabilities, words: Words, query: PredictQuery, details: Sequence[bytes] = ()) -> list[bytes]:
    """Do as `each`, but in one piece, with commas between: for thousands, making each by itself takes longest."""
    if not len(rows):
        return []
    if details or not query.is_plain:
        return [b",".join(each(rows, words, query, details))]
    places = rows.argmax(axis=1).tolist()
    pieces = [b""] * (2 * len(places))
    pieces[::2] = [words.behind_another[place] for place in places]
    pieces[1::2] = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
    pieces[0] = words.heads[places[0]] + b"["
    pieces.append(b"]}")
    return [b"".join(pieces)]


def several(predictions: list[bytes], model: bytes) -> bytes:
    """Encode an answer to several examples, of which some may be in one piece, with commas between."""
    return b'{"predictions":[%b],"model":%b}' % (b",".join(predictions), model)


def with_model(prediction: bytes, model: bytes) -> bytes:
    """Encode a prediction as the answer to one example."""
    return b'%b,"model":%b}' % (prediction[:-1], model)


def lines(predictions: list[bytes], model: bytes) -> bytes:
    """Encode predictions as lines, each of which could be the answer to one example."""
    return b"".join([with_model(prediction, model) + b"\n" for prediction in predictions])


def unreadable(error: str) -> bytes:
    """Encode what stands in the place of a file that could not be read."""
    return orjson.dumps({"error": error})


def _tops(rows: Probabilities, words: Words, top_k: int) -> list[bytes]:
    order = np.argsort(-rows, axis=1, kind="stable")[:, :top_k]
    numbers = orjson.dumps(np.take_along_axis(rows, order, axis=1), option=orjson.OPT_SERIALIZE_NUMPY)
    ranked = (
        [b"%b%b}" % (words.ranked[place], number) for place, number in zip(places, row.split(b","), strict=True)]
        for places, row in zip(order.tolist(), numbers[2:-2].split(b"],["), strict=True)
    )
    return [b',"top":[%b]' % b",".join(pairs) for pairs in ranked]
