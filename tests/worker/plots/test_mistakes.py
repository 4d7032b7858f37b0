from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.schema import Images, Table
from models.evaluated.kept import Mistakes
from tests.worker.plots.examples import LETTERS, PASSENGERS, PHOTOGRAPHS, SIGNALS, parsed
from tests.worker.plots.pictures import is_notice, pixels
from worker.plots.mistakes import mistakes

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)
LABELS = np.arange(70) % 10
SURETIES = np.linspace(0.99, 0.3, 70)
DIGITS = tuple("0123456789")


def draw(pictures: NDArray[np.uint8], labels: Any, read: Any, sure: Any, title: str = "", of: int = 70) -> bytes:
    return mistakes(Mistakes(labels, read, sure, pictures, None), DIGITS, title, of=of)


def test_of_many_mistakes_the_25_surest_are_drawn_the_surest_first() -> None:
    order = np.random.default_rng(1).permutation(70)
    shuffled = draw(IMAGES[order], LABELS[order], LABELS[order] - 1, SURETIES[order])
    assert shuffled == draw(IMAGES[:25], LABELS[:25], LABELS[:25] - 1, SURETIES[:25])


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (5, 1), (6, 2), (24, 5)])
def test_a_few_mistakes_take_the_rows_they_need(n: int, rows: int) -> None:
    picture = pixels(draw(IMAGES[:n], LABELS[:n], LABELS[:n], SURETIES[:n]))
    assert picture.shape[0] == pytest.approx(142 + 272 * rows, abs=2)


def test_of_more_mistakes_than_are_shown_it_is_told_how_many_there_were() -> None:
    few = [draw(IMAGES[:25], LABELS[:25], LABELS[:25] - 1, SURETIES[:25], "Mistakes", of=of) for of in (25, 39, 40)]
    assert len(set(few)) == 3
    assert few[1] == draw(IMAGES[:25], LABELS[:25], LABELS[:25] - 1, SURETIES[:25], "Mistakes, 25 of 39", of=25)


def test_no_mistakes_at_all_are_worth_a_sentence() -> None:
    assert is_notice(draw(IMAGES[:0], LABELS[:0], LABELS[:0], SURETIES[:0], "Run"))


def test_what_a_mistake_was_taken_for_is_written() -> None:
    once = draw(IMAGES[:1], LABELS[:1], LABELS[1:2], SURETIES[:1])
    assert draw(IMAGES[:1], LABELS[:1], LABELS[2:3], SURETIES[:1]) != once
    assert draw(IMAGES[:1], LABELS[:1], LABELS[1:2], SURETIES[-1:]) != once


def test_ink_is_dark_on_a_pale_ground_and_a_photograph_is_as_it_is() -> None:
    black = np.zeros((1, 40, 60, 3), np.uint8)
    found = replace(parsed(PHOTOGRAPHS).mistakes, pictures=black, labels=[0], predictions=[1], probabilities=[0.9])
    pale = pixels(mistakes(replace(found, ink=True), PHOTOGRAPHS.classes, "", of=0))
    dark = pixels(mistakes(found, PHOTOGRAPHS.classes, "", of=0))
    is_black, is_pale = ((picture == level).all(axis=2).sum() for picture, level in ((dark, 0), (pale, 246)))
    assert is_black == is_pale == (3 * 40) * (3 * 60)


@pytest.mark.parametrize("schema", [LETTERS, PHOTOGRAPHS, SIGNALS, PASSENGERS], ids=lambda schema: schema.classes[0])
def test_mistakes_of_any_form_are_drawn_by_name_with_nothing_cut_off(schema: Images | Table) -> None:
    found = parsed(schema)
    first = replace(found.mistakes, labels=found.mistakes.labels[:4], probabilities=found.mistakes.probabilities[:4])
    picture = mistakes(first, found.classes, "", of=0)
    assert picture != mistakes(first, ("x", *found.classes[1:]), "", of=0)
    for edge in (pixels(picture)[-15:], pixels(picture)[:, :15], pixels(picture)[:, -15:]):
        assert (edge == 255).all()


def test_columns_that_have_no_room_are_told_and_values_that_are_missing() -> None:
    found = parsed(PASSENGERS, mistakes=2).mistakes
    wide = [{f"column {place}": 1.0 for place in range(30)} for _ in found.labels]
    told = pixels(mistakes(replace(found, rows=wide), PASSENGERS.classes, "", of=0))
    fits = pixels(
        mistakes(replace(found, rows=[dict(list(row.items())[:12]) for row in wide]), PASSENGERS.classes, "", of=0)
    )
    assert told.shape == fits.shape
    assert (told[70:130] != fits[70:130]).any()
    assert (told[130:] == fits[130:]).all()
    assert found.rows is not None
    assert found.rows[0]["age"] is None
    known = [{**row, "age": row["age"] or 30.0} for row in found.rows]
    assert mistakes(found, PASSENGERS.classes, "", of=0) != mistakes(
        replace(found, rows=known), PASSENGERS.classes, "", of=0
    )
