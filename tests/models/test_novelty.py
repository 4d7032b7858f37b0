from collections.abc import Callable

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import novelty
from models.data.examples import Examples
from models.novelty import Novelty

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
