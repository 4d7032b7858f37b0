import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import inference
from models.calibration import softmax
from models.ensemble import Ensemble
from models.inference import Network
from tests.models.networks import layers, network_and_file, random_pixels, seeds


def network(architecture: str, sizes: tuple[int, ...], seed: int, scale: float = 1.0) -> Network:
    return inference.read(network_and_file(architecture, sizes, seed, scale)[1])


def one_by_one(networks: list[Network], pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean(
        [member.probabilities(pixels).astype(np.float64) for member in networks], axis=0
    )
    return mean


MIXED = [("mlp", (9, 4)), ("nmlp", (9, 4)), ("mlp", (9, 4)), ("mlp", (20,)), ("nmlp", (9, 4)), ("nmlp", (8, 8, 8))]


@settings(max_examples=60)
@given(
    architecture=st.sampled_from(["mlp", "nmlp"]),
    sizes=layers(st.integers(8, 40)),
    count=st.integers(1, 6),
    images=st.integers(0, 5),
    seed=seeds,
)
def test_networks_of_one_shape_predict_the_mean_of_what_they_predict_alone(
    architecture: str, sizes: tuple[int, ...], count: int, images: int, seed: int
) -> None:
    networks = [network(architecture, sizes, (seed + number) % 2**32) for number in range(count)]
    pixels = random_pixels(images, seed)
    together = Ensemble(networks).probabilities(pixels)
    assert together.dtype == np.float32
    assert together.shape == (images, 10)
    np.testing.assert_allclose(together, one_by_one(networks, pixels), rtol=0, atol=1e-6)


@settings(max_examples=30)
@given(kinds=st.lists(st.sampled_from(MIXED), min_size=1, max_size=7), seed=seeds)
def test_networks_of_different_shapes_predict_the_mean_of_what_they_predict_alone(
    kinds: list[tuple[str, tuple[int, ...]]], seed: int
) -> None:
    networks = [network(*kind, (seed + number) % 2**32) for number, kind in enumerate(kinds)]
    pixels = random_pixels(4, seed)
    np.testing.assert_allclose(
        Ensemble(networks).probabilities(pixels), one_by_one(networks, pixels), rtol=0, atol=1e-6
    )


def test_networks_may_normalise_images_differently() -> None:
    one, other = (inference.read(network_and_file("mlp", (9,), seed=0, mean=mean)[1]) for mean in (33.0, 90.0))
    pixels = random_pixels(5)
    assert not np.allclose(one.probabilities(pixels), other.probabilities(pixels), atol=1e-3)
    np.testing.assert_allclose(
        Ensemble([one, other]).probabilities(pixels), one_by_one([one, other], pixels), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_logits_are_the_log_of_the_mean_probabilities_even_of_huge_ones(scale: float) -> None:
    networks = [network("mlp", (9, 4), seed, scale) for seed in range(3)]
    ensemble, pixels = Ensemble(networks), random_pixels(20)
    logits = ensemble.logits(pixels)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(softmax(logits), ensemble.probabilities(pixels), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.exp(logits.astype(np.float64)).sum(axis=1), 1.0, rtol=1e-4)


def test_an_ensemble_of_one_predicts_what_it_predicts_alone() -> None:
    alone, pixels = network("nmlp", (9, 8), seed=3), random_pixels(6)
    np.testing.assert_allclose(Ensemble([alone]).probabilities(pixels), alone.probabilities(pixels), rtol=0, atol=1e-6)


def test_the_members_are_those_it_was_made_of_in_their_order_and_share_its_weights() -> None:
    networks = [network(*kind, seed) for seed, kind in enumerate(MIXED)]
    members = Ensemble(networks).networks
    pixels = random_pixels(3)
    assert len(members) == len(networks)
    for member, given_network in zip(members, networks, strict=True):
        assert member.epoch == given_network.epoch
        np.testing.assert_allclose(member.logits(pixels), given_network.logits(pixels), rtol=0, atol=1e-5)
    assert np.shares_memory(members[0].layers[0].weight.base, members[2].layers[0].weight.base)
    assert members[0].layers[0].weight.base is not None
    assert not np.shares_memory(members[0].layers[0].weight.base, members[1].layers[0].weight.base)


def test_pixels_stay_as_they_were() -> None:
    pixels = random_pixels(4)
    floats = pixels.astype(np.float32)
    ensemble = Ensemble([network("nmlp", (9, 8), seed) for seed in range(2)])
    assert np.array_equal(ensemble.probabilities(pixels), ensemble.probabilities(floats))
    assert np.array_equal(pixels, random_pixels(4))
    assert np.array_equal(floats, random_pixels(4))


def test_no_network_makes_no_ensemble() -> None:
    with pytest.raises(ValueError, match="an ensemble needs at least one network"):
        Ensemble([])
