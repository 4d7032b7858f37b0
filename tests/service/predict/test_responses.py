"""Answers to thousands of examples are put together at once, and are to the byte what each by itself would be."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.schema import USUAL
from service.predict import responses
from service.predict.responses import Words
from service.predict.schemas import PredictQuery

CLASSES = (USUAL.classes, ("a", "b"), ("%b", "],[", 'say "so"', "\N{SNOWMAN}"))


def some(count: int, classes: int, seed: int) -> responses.Probabilities:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, 0.1), count).astype(np.float32)


@given(count=st.integers(0, 40), classes=st.sampled_from(CLASSES), seed=st.integers(0, 2**32))
def test_predictions_in_one_piece_are_those_of_each_with_commas_between(
    count: int, classes: tuple[str, ...], seed: int
) -> None:
    rows, words, query = some(count, len(classes), seed), Words(classes), PredictQuery()
    assert b",".join(responses.together(rows, words, query)) == b",".join(responses.each(rows, words, query))


@pytest.mark.parametrize(
    "query", [PredictQuery(top_k=2), PredictQuery(named=True), PredictQuery(reject_below=0.9), PredictQuery()]
)
def test_what_is_asked_for_beside_them_is_there_too(query: PredictQuery) -> None:
    rows, words = some(5, 10, seed=1), Words(USUAL.classes)
    details = [b',"entropy":%d' % number for number in range(5)]
    (piece,) = responses.together(rows, words, query, details)
    assert piece == b",".join(responses.each(rows, words, query, details))
    document = orjson.loads(responses.several([piece, piece], b"null"))
    assert [one["entropy"] for one in document["predictions"]] == [0, 1, 2, 3, 4] * 2
