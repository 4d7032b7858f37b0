"""The picture of a data set."""

import numpy as np
import pytest

from models.data.examples import Examples
from models.data.schema import USUAL, Column, Images, Table
from tests.worker.plots.examples import LETTERS, PASSENGERS, PHOTOGRAPHS, SIGNALS, of_form
from tests.worker.plots.pictures import BLUE, VERMILION, count, is_notice, pixels
from worker.plots import histograms
from worker.plots.contact_sheet import chosen, look

FAINT = (184, 192, 200)


def test_64_pictures_of_the_usual_form_are_five_inches_square_with_every_pixel_as_large_as_every_other() -> None:
    chequered = (np.indices((28, 28)).sum(axis=0) % 2 * 255).astype(np.uint8)
    picture = pixels(look(Examples(np.repeat(chequered[None], 64, axis=0), np.arange(64) % 10), ""))
    assert picture.shape == (1000, 1000, 3)
    assert count(picture, (0, 0, 0)) == 64 * 28 * 28 // 2 * 3 * 3


def test_they_are_the_first_64_that_are_drawn_where_all_classes_are_among_them() -> None:
    labels = np.arange(5000) % 10
    assert chosen(labels).tolist() == np.random.default_rng(0).permutation(5000)[:64].tolist()
    assert len(chosen(labels[:3])) == 3


@pytest.mark.parametrize(("classes", "shown"), [(40, 40), (64, 64), (200, 64)])
def test_each_of_the_first_64_classes_has_an_example(classes: int, shown: int) -> None:
    labels = np.concatenate([np.zeros(10_000, np.int64), np.arange(classes)])
    rows = chosen(labels)
    assert len(rows) == len(set(rows.tolist())) == 64
    assert set(labels[rows].tolist()) == set(range(shown))


def test_of_some_that_were_drawn_already_it_is_told_how_many_there_are() -> None:
    some = of_form(LETTERS, 9)
    assert look(some, "Set", of=9) == look(some, "Set") != look(some, "Set", of=5000)


def test_a_data_set_without_examples_is_worth_a_sentence() -> None:
    assert is_notice(look(of_form(USUAL, 0), "Set"))


@pytest.mark.parametrize("schema", [LETTERS, PHOTOGRAPHS, SIGNALS, PASSENGERS], ids=lambda schema: schema.classes[0])
def test_data_of_any_form_are_drawn_by_name_with_nothing_cut_off(schema: Images | Table) -> None:
    examples = of_form(schema, 9)
    renamed = schema.model_copy(update={"classes": ("an other name", *schema.classes[1:])})
    picture = look(examples, "Set")
    assert picture != look(Examples(examples.values, examples.labels, renamed), "Set")
    for edge in (pixels(picture)[-10:], pixels(picture)[:, :10], pixels(picture)[:, -10:]):
        assert (edge == 255).all()


def test_pictures_that_are_larger_than_their_place_are_scaled_down() -> None:
    large = PHOTOGRAPHS.model_copy(update={"height": 1000, "width": 700})
    picture = pixels(look(Examples(np.full((8, 1000, 700, 3), 90, np.uint8), np.arange(8) % 2, large), ""))
    assert count(picture, (90, 90, 90)) == 8 * 143 * 100


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([5.0] * 40, id="constant"),
        pytest.param([np.nan] * 40, id="nothing known"),
        pytest.param(np.geomspace(1e-6, 1e9, 40), id="over magnitudes"),
        pytest.param([*np.linspace(0, 1, 39), 1e12], id="one far beside"),
        pytest.param([-1e300, 1e300] * 20, id="enormous"),
        pytest.param([1e-320] * 40, id="next to nothing"),
        pytest.param([1e17 + 16 * i for i in range(40)], id="large and close"),
    ],
)
def test_a_column_of_unusual_numbers_is_drawn(numbers: list[float]) -> None:
    schema = Table(columns=(Column(name="x", type="number"),), classes=("no", "yes"))
    picture = look(Examples(np.array(numbers)[:, None], np.arange(40) % 2, schema), "")
    assert np.isnan(numbers).all() or min(count(pixels(picture)[300:], colour) for colour in (BLUE, VERMILION)) > 100


def test_columns_classes_and_levels_beyond_those_with_room_share_one_bar_or_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(histograms, "COLUMNS", 1)
    levels = tuple(f"l{level}" for level in range(30))
    columns = tuple(Column(name=f"c{place}", type="category", levels=levels) for place in range(2))
    schema = Table(columns=columns, classes=tuple(f"class {label}" for label in range(50)))
    values = np.random.default_rng(0).integers(0, 30, (100, 2)).astype(np.float64)
    picture = look(Examples(values, np.arange(100) % 50, schema), "")
    assert count(pixels(picture), FAINT) > 5000, "most belong to the other classes"
    alone = schema.model_copy(update={"columns": columns[:1]})
    fits = look(Examples(values[:, :1], np.arange(100) % 50, alone), "")
    assert picture != fits, "it says that a column is not shown"
    assert pixels(picture).shape == pixels(fits).shape
