import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from models import inference
from models.checkpoints import pack_weights
from models.data.split import Split
from models.evaluation import validate
from models.networks import build
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train
from tests.models.networks import (
    DEVIATION,
    GOOD,
    MEAN,
    NETWORKS,
    NO_WEIGHTS,
    layers,
    network_and_file,
    random_pixels,
    seeds,
)


def logits_by_torch(network: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    x_BD = (torch.from_numpy(pixels.reshape(-1, 784)).float() - MEAN) / DEVIATION
    with torch.inference_mode():
        logits: NDArray[np.float32] = network(x_BD).numpy()
    return logits


@pytest.mark.parametrize("kind", NETWORKS)
def test_logits_are_those_of_torch(kind: str) -> None:
    network, file = network_and_file(*NETWORKS[kind], seed=1)
    pixels = random_pixels(9)
    ours = inference.read(file).logits(pixels)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, logits_by_torch(network, pixels), rtol=0, atol=1e-5)


@settings(max_examples=60)
@given(sizes=layers(st.integers(1, 64)), seed=seeds, count=st.integers(1, 5))
def test_logits_of_any_mlp_are_those_of_torch(sizes: tuple[int, ...], seed: int, count: int) -> None:
    network, file = network_and_file("mlp", sizes, seed)
    pixels = random_pixels(count, seed)
    np.testing.assert_allclose(inference.read(file).logits(pixels), logits_by_torch(network, pixels), rtol=0, atol=1e-5)


@settings(max_examples=60)
@given(sizes=layers(st.just(1) | st.integers(8, 64)), seed=seeds, count=st.integers(1, 5))
def test_logits_of_any_nmlp_are_those_of_torch(sizes: tuple[int, ...], seed: int, count: int) -> None:
    network, file = network_and_file("nmlp", sizes, seed)
    pixels = random_pixels(count, seed)
    np.testing.assert_allclose(inference.read(file).logits(pixels), logits_by_torch(network, pixels), rtol=0, atol=1e-5)


@settings(max_examples=60)
@given(sizes=layers(st.integers(2, 7)), seed=seeds)
def test_logits_of_narrow_normalised_layers_are_near_those_of_torch(sizes: tuple[int, ...], seed: int) -> None:
    """Two units that are nearly equal differ by little more than rounding, which normalisation then magnifies."""
    network, file = network_and_file("nmlp", sizes, seed)
    pixels = random_pixels(3, seed)
    np.testing.assert_allclose(inference.read(file).logits(pixels), logits_by_torch(network, pixels), rtol=0, atol=1e-2)


def test_a_trained_network_predicts_as_it_did_when_it_was_validated(digits_split: Split) -> None:
    spec = TrainingSpec(
        dataset="digits", architecture="nmlp", hidden_sizes=(32, 16), dropout=0.3, batch_size=32, epochs=2
    )
    *_, epoch = (record for record in train([spec], digits_split) if isinstance(record, Epoch))
    mean, deviation = digits_split.mean, digits_split.deviation
    network = inference.read(pack_weights(epoch.checkpoint, spec, mean=mean, deviation=deviation))
    probabilities = network.probabilities(digits_split.validation.values)
    by_torch = build(spec, seed=0)
    by_torch.load_state_dict(epoch.checkpoint.weights)
    measured = validate(by_torch, digits_split.x_val, digits_split.y_val)
    assert (probabilities.argmax(axis=1) == digits_split.validation.labels).mean() == pytest.approx(measured.accuracy)
    np.testing.assert_allclose(probabilities[measured.mistakes].max(axis=1), measured.probabilities, rtol=0, atol=1e-5)


def test_a_network_knows_its_epoch() -> None:
    _, file = network_and_file("mlp", (5,), seed=0)
    assert inference.read(file).epoch == 3


@pytest.mark.parametrize("kind", NETWORKS)
def test_images_one_by_one_give_what_they_give_together(kind: str) -> None:
    network = inference.read(network_and_file(*NETWORKS[kind], seed=2)[1])
    pixels = random_pixels(33)
    together = network.logits(pixels)
    alone = np.concatenate([network.logits(image[None]) for image in pixels])
    assert together.shape == (33, 10)
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-5)


def test_no_image_gives_no_row() -> None:
    network = inference.read(network_and_file("nmlp", (6,), seed=0)[1])
    assert network.probabilities(random_pixels(0)).shape == (0, 10)


def test_pixels_may_be_bytes_or_floats_and_stay_as_they_were() -> None:
    network = inference.read(network_and_file("nmlp", (6,), seed=0)[1])
    pixels = random_pixels(4)
    floats = pixels.astype(np.float32)
    assert np.array_equal(network.logits(pixels), network.logits(floats))
    assert np.array_equal(pixels, random_pixels(4))
    assert np.array_equal(floats, random_pixels(4))


@settings(max_examples=50)
@given(
    architecture=st.sampled_from(["mlp", "nmlp"]),
    sizes=layers(st.integers(1, 20)),
    seed=seeds,
    scale=st.sampled_from([0.0, 1.0, 30.0, 1000.0]),
)
def test_probabilities_are_numbers_that_sum_to_one_even_for_huge_logits(
    architecture: str, sizes: tuple[int, ...], seed: int, scale: float
) -> None:
    network = inference.read(network_and_file(architecture, sizes, seed, scale)[1])
    checkerboard = np.indices((28, 28)).sum(axis=0) % 2 * 255
    extremes = np.stack([np.zeros((28, 28)), np.full((28, 28), 255), checkerboard, 255 - checkerboard])
    pixels = np.concatenate([extremes.astype(np.uint8), random_pixels(2, seed)])
    probabilities = network.probabilities(pixels)
    assert probabilities.dtype == np.float32
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("what", NO_WEIGHTS)
def test_what_is_no_weights_file_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"^this is no weights file of a trained network: "):
        inference.read(NO_WEIGHTS[what])


@given(length=st.integers(0, len(GOOD) - 1))
def test_a_weights_file_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"^this is no weights file of a trained network: "):
        inference.read(GOOD[:length])


@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^this is no weights file of a trained network: "):
        inference.read(content)


def test_what_the_api_imports_does_not_load_torch() -> None:
    program = (
        "import sys; import models.inference, models.spec, models.images, models.moving_average; "
        "import models.assessment, models.card, models.ensemble, models.saliency; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
