from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import novelty
from models.data.examples import Examples
from models.data.fitting import fit as fit_plan
from models.data.plan import Plan
from models.data.schema import Column, Table
from models.novelty import Novelty
from tests.forms import LETTERS, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored

Entropies = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def entropies(count: int, seed: int = 0) -> Entropies:
    return np.random.default_rng(seed).random(count)


def sure(count: int) -> Entropies:
    return np.zeros(count)


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def usual(digits: Examples) -> Novelty:
    """What is usual by 1,200 of the digits; 597 are left."""
    return novelty.fit(digits.values[:1200], entropies(1200))


def test_what_is_like_the_validation_images_looks_usual(usual: Novelty, digits: Examples) -> None:
    shares = usual.share(digits.values[1200:], entropies(597, seed=1))
    # A bound that is nearly met: images are seldom unusual in two ways.
    for limit in (0.05, 0.2, 0.5):
        assert (shares < limit).mean() == pytest.approx(limit, abs=limit * 0.3 + 0.02)


@pytest.mark.parametrize(
    "unusual",
    [
        lambda digits: noise(100),
        lambda digits: 255 - digits[:100],
        lambda digits: np.random.default_rng(0).permuted(digits[:100].reshape(100, 784), axis=1).reshape(100, 28, 28),
        lambda digits: np.full((100, 28, 28), 255, np.uint8),
        lambda digits: np.zeros((100, 28, 28), np.uint8),
        lambda digits: noise(100) // 13,
    ],
    ids=["noise", "inverted", "shuffled pixels", "white", "blank", "nearly blank"],
)
def test_what_is_no_digit_looks_unusual_even_where_the_network_is_sure(
    usual: Novelty, digits: Examples, unusual: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:

    assert (usual.share(unusual(digits.values), sure(100)) < 0.05).mean() > 0.95


def test_an_image_that_is_nearer_to_the_middle_than_any_other_looks_unusual(usual: Novelty) -> None:
    assert usual.share(usual.mean.reshape(1, 28, 28), sure(1)) == 0


def test_an_image_over_which_the_network_is_undecided_looks_unusual_however_near_it_is(
    usual: Novelty, digits: Examples
) -> None:
    undecided = np.full(100, np.log(10))
    assert (usual.share(digits.values[1200:1300], undecided) == 0).all()


@given(seed=seeds, count=st.integers(0, 6))
def test_a_share_is_between_0_and_1_and_falls_as_the_entropy_rises(usual: Novelty, seed: int, count: int) -> None:
    pixels, rising = noise(count, seed) // np.uint8(seed % 9 + 1), np.linspace(0, 2.3, 5)
    shares = np.stack([usual.share(pixels, np.full(count, value)) for value in rising])
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (np.diff(shares, axis=0) <= 0).all()


def test_images_one_by_one_look_as_they_do_together(usual: Novelty, digits: Examples) -> None:
    together = usual.share(digits.values[:33], entropies(33))
    alone = np.concatenate(
        [usual.share(digits.values[row : row + 1], entropies(33)[row : row + 1]) for row in range(33)]
    )
    np.testing.assert_allclose(alone, together, atol=0.005)


def test_pixels_may_be_bytes_or_floats_and_stay_as_they_were(usual: Novelty, digits: Examples) -> None:
    pixels = digits.values[:5].copy()
    floats = pixels.astype(np.float32)
    assert np.array_equal(usual.share(pixels, sure(5)), usual.share(floats, sure(5)))
    assert np.array_equal(pixels, digits.values[:5])
    assert np.array_equal(floats, pixels)


def test_the_distance_is_that_of_the_gaussian_that_it_stands_for(digits: Examples) -> None:
    """With as many images as directions nothing is left out: the distance is one by the whole covariance."""
    learned_from = digits.values[:80:2].reshape(40, 784).astype(np.float64)
    usual = novelty.fit(digits.values[:80], entropies(80))
    centred = learned_from - learned_from.mean(axis=0)
    covariance = centred.T @ centred / 40 + 0.01 * 255**2 * np.eye(784)
    others = digits.values[1:80:2].reshape(40, 784) - learned_from.mean(axis=0)
    distances = np.einsum("nd,nd->n", others @ np.linalg.inv(covariance), others)
    np.testing.assert_allclose(usual.distances[[0, -1]], [distances.min(), distances.max()], rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_few_validation_images_are_enough(digits: Examples, count: int) -> None:
    usual = novelty.fit(digits.values[:count], entropies(count))
    assert np.isfinite(usual.distances).all()
    assert (usual.share(noise(5), sure(5)) == 0).all()


def test_blank_validation_images_are_enough() -> None:
    usual = novelty.fit(np.zeros((9, 28, 28), np.uint8), sure(9))
    assert (usual.share(noise(5), sure(5)) == 0).all()
    assert (usual.share(np.zeros((1, 28, 28), np.uint8), sure(1)) == 1).all()


def test_equal_images_teach_the_same_and_are_packed_as_the_same_bytes(digits: Examples) -> None:
    files = {novelty.pack(novelty.fit(digits.values[:300], entropies(300))) for _ in range(3)}
    assert len(files) == 1


def test_what_was_packed_is_unpacked(usual: Novelty, digits: Examples) -> None:
    unpacked = novelty.unpack(novelty.pack(usual))
    pixels = digits.values[:50]
    assert np.array_equal(unpacked.share(pixels, entropies(50)), usual.share(pixels, entropies(50)))


def test_a_file_of_a_table_tells_of_levels_that_were_not_learned_and_one_of_before_does_not() -> None:
    rows = stored(TITANIC, 200)
    usual = novelty.fit(rows, sure(200), TITANIC, TITANIC_PLAN)
    strange = np.array([[-1.0, 0.0, 20.0, 1.0], [0.0, 0.0, 20.0, -1.0]])
    counts = novelty.count_unlearned(np.vstack([strange, [[1.0, 0.0, np.nan, 0.0]]]), TITANIC, TITANIC_PLAN)
    assert counts is not None
    assert counts.tolist() == [1, 1, 1], "the last has a level that was too rare"
    after = novelty.unpack(novelty.pack(usual))
    x = TITANIC_PLAN.apply(rows)
    unlearned = novelty.count_unlearned(rows, TITANIC, TITANIC_PLAN)
    assert np.array_equal(after.share(x, sure(200), unlearned), usual.share(x, sure(200), unlearned))
    before = replace(usual, unlearned=None)
    assert after.size_bytes > before.size_bytes
    assert np.array_equal(
        novelty.unpack(novelty.pack(before)).share(x, sure(200), unlearned), before.share(x, sure(200))
    )


def test_of_usual_rows_no_more_are_below_a_share_than_it_says() -> None:
    rows = stored(TITANIC, 3000, seed=3)
    rows[rows[:, 0] == 1, 0] = 0  # the level that was not learned, but for a few
    rows[::40, 0] = 1
    usual = novelty.fit(rows[::2], entropies(1500), TITANIC, TITANIC_PLAN)
    fresh, counts = rows[1::2], novelty.count_unlearned(rows[1::2], TITANIC, TITANIC_PLAN)
    shares = usual.share(TITANIC_PLAN.apply(fresh), entropies(1500, seed=9), counts)
    for share in (0.02, 0.05, 0.2):
        assert (shares < share).mean() < 1.5 * share


def test_pictures_and_tables_of_numbers_have_no_levels_to_count() -> None:
    assert novelty.count_unlearned(stored(LETTERS, 3), LETTERS, None) is None
    assert novelty.count_unlearned(stored(WINE, 3), WINE, WINE_PLAN) is None
    assert novelty.fit(stored(WINE, 9), sure(9), WINE, WINE_PLAN).unlearned is None


@pytest.mark.parametrize(("images", "values"), [(0, 0), (3, 2)])
def test_nothing_is_learned_without_an_entropy_for_each_image(images: int, values: int) -> None:
    with pytest.raises(ValueError, match=f"{images} examples and {values} entropies say nothing"):
        novelty.fit(noise(images), entropies(values))


@given(data=st.data())
def test_a_file_cut_short_anywhere_is_refused(usual: Novelty, data: st.DataObject) -> None:
    file = novelty.pack(usual)
    with pytest.raises(ValueError, match=r"^this does not tell what is usual: "):
        novelty.unpack(file[: data.draw(st.integers(0, len(file) - 1))])


@pytest.mark.parametrize(
    "file",
    [b"", b"garbage" * 9, safetensors.numpy.save({"mean": np.zeros(784, np.float32)}, metadata={"tenfold": "{}"})],
    ids=["nothing", "garbage", "a part"],
)
def test_what_tells_nothing_is_refused(file: bytes) -> None:
    with pytest.raises(ValueError, match=r"^this does not tell what is usual: "):
        novelty.unpack(file)


SIZES = ("small", "middle", "large")
PARCELS = Table(
    columns=(
        Column(name="length", type="number"),
        Column(name="weight", type="number", missing=True),
        Column(name="size", type="category", levels=SIZES),
        Column(name="box", type="category", levels=SIZES),
    ),
    classes=("near", "far"),
)


def parcels(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Draw rows whose weight goes with their length, and whose box is always of their size."""
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 3, count)
    lengths = 100.0 * (1 + sizes) + random.normal(0, 10, count)
    weights = lengths / 50 + random.normal(0, 0.2, count)
    weights[random.random(count) < 0.05] = np.nan
    return np.stack([lengths, weights, sizes, sizes], axis=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    rows = parcels(400, seed=1)
    return fit_plan(Examples(rows, np.arange(400) % 2, PARCELS))


@pytest.fixture(scope="module")
def usual_rows(plan: Plan) -> Novelty:
    return novelty.fit(parcels(400), entropies(400), PARCELS, plan)


def test_rows_as_those_of_the_table_look_usual(usual_rows: Novelty, plan: Plan) -> None:
    shares = usual_rows.share(plan.apply(parcels(1000, seed=2)), entropies(1000, seed=3))
    for limit in (0.05, 0.2):
        assert (shares < limit).mean() <= limit * 1.3 + 0.02


@pytest.mark.parametrize(
    "row",
    [
        (100_000.0, 4.0, 0, 0),
        (200.0, -400.0, 1, 1),
        (np.nan, 4.0, 0, 0),
        (200.0, 4.0, 1, 2),
        (100.0, 6.0, 2, 2),
        (200.0, 4.0, -1, -1),
        (1e15, 4.0, 1, 1),
    ],
    ids=[
        "a number far outside",
        "a number of another sign",
        "a missing number whose median does not fit the rest",
        "levels that never stand together",
        "numbers as those of another level",
        "levels that nobody knows",
        "a number beyond all measure",
    ],
)
def test_a_row_that_is_none_of_the_tables_looks_unusual_even_where_the_network_is_sure(
    usual_rows: Novelty, plan: Plan, row: tuple[float, ...]
) -> None:
    assert usual_rows.share(plan.apply(np.array([row])), sure(1))[0] < 0.05


def test_a_missing_cell_as_others_have_it_looks_usual(usual_rows: Novelty, plan: Plan) -> None:
    rows = parcels(2000, seed=4)
    rows = rows[np.isnan(rows[:, 1]) & (rows[:, 2] == 1)]
    assert np.median(usual_rows.share(plan.apply(rows), sure(len(rows)))) > 0.05
