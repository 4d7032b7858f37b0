import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from models import inference
from models.ensemble import Ensemble
from models.saliency import gradient
from tests.models.networks import DEVIATION, MEAN, NETWORKS, layers, network_and_file, random_pixels, seeds


def logits_of(network: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = network((pixels.reshape(-1, 784) - MEAN) / DEVIATION)
    return logits


def by_autograd(
    networks: list[nn.Module], pixels: NDArray[np.uint8], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Differentiate in float64: of one network the logit, of several the log of their mean probability."""
    x = torch.from_numpy(pixels.astype(np.float64)).requires_grad_()
    logits = [logits_of(network.double(), x) for network in networks]
    if len(networks) > 1:
        logits = [torch.stack([its.softmax(dim=1) for its in logits]).mean(dim=0).log()]
    logits[0][torch.arange(len(pixels)), torch.from_numpy(classes)].sum().backward()
    assert x.grad is not None
    return x.grad.numpy()


def clear_of_corners(network: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Choose images for which no ReLU's input is so near 0 that rounding may move it to the other side."""
    inputs: list[Tensor] = []
    for module in network.double().modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    with torch.inference_mode():
        logits_of(network, torch.from_numpy(pixels.astype(np.float64)))
    return (torch.cat(inputs, dim=1).abs() > 1e-5).all(dim=1).numpy()


def some_classes(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 10, count)


def assert_near(ours: NDArray[np.float32], theirs: NDArray[np.float64], tolerance: float) -> None:
    """By the largest gradient of each image: rounding of a unit is felt in all pixels."""
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).max(axis=(1, 2), initial=1e-9, keepdims=True)
    np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_gradient_is_that_of_autograd(kind: str) -> None:
    network, file = network_and_file(*NETWORKS[kind], seed=1)
    pixels, classes = random_pixels(9), some_classes(9, 0)
    assert_near(gradient(inference.read(file), pixels, classes), by_autograd([network], pixels, classes), 1e-5)


@settings(max_examples=60)
@given(
    architecture=st.sampled_from(["mlp", "nmlp"]),
    sizes=layers(st.integers(16, 48)),
    seed=seeds,
    count=st.integers(0, 4),
)
def test_the_gradient_of_any_network_is_that_of_autograd(
    architecture: str, sizes: tuple[int, ...], seed: int, count: int
) -> None:
    network, file = network_and_file(architecture, sizes, seed)
    pixels = random_pixels(count, seed)
    pixels = pixels[clear_of_corners(network, pixels)]
    classes = some_classes(len(pixels), seed)
    assert_near(gradient(inference.read(file), pixels, classes), by_autograd([network], pixels, classes), 1e-5)


@pytest.mark.parametrize("kinds", [("mlp", "mlp"), ("nmlp", "mlp", "nmlp")])
def test_the_gradient_of_an_ensemble_is_that_of_autograd(kinds: tuple[str, ...]) -> None:
    made = [network_and_file(kind, (20, 16), seed, scale=1.5) for seed, kind in enumerate(kinds)]
    pixels, classes = random_pixels(7), some_classes(7, 0)
    ours = gradient(Ensemble([inference.read(file) for _, file in made]), pixels, classes)
    assert_near(ours, by_autograd([network for network, _ in made], pixels, classes), 1e-5)


def test_the_gradient_of_an_ensemble_that_is_sure_is_that_of_autograd() -> None:
    """Where a probability is nearly 1, what it lacks is lost in rounding; the others still tell it."""
    network, file = network_and_file("mlp", (20, 16), seed=1, scale=4.0)
    ensemble = Ensemble([inference.read(file)] * 2)
    pixels = random_pixels(40)
    logits = ensemble.logits(pixels)
    sure = logits.max(axis=1) > -1e-6
    assert sure.any()
    pixels, classes = pixels[sure], logits[sure].argmax(axis=1)
    assert_near(gradient(ensemble, pixels, classes), by_autograd([network] * 2, pixels, classes), 1e-4)


def test_a_step_along_the_gradient_raises_the_logit_by_what_it_says() -> None:
    network = inference.read(network_and_file("mlp", (30, 20), seed=4)[1])
    pixels = random_pixels(6).astype(np.float32)
    classes = some_classes(6, 1)
    slope = gradient(network, pixels, classes)
    step = 1e-2 * slope / np.abs(slope).max(axis=(1, 2), keepdims=True)
    rows = np.arange(6)
    change = network.logits(pixels + step)[rows, classes] - network.logits(pixels - step)[rows, classes]
    np.testing.assert_allclose(change, 2 * (slope * step).sum(axis=(1, 2)), rtol=0.05)


@pytest.mark.parametrize("classes", [np.array([1]), np.array([1, 10]), np.array([-1, 2]), np.array([[1, 2]])], ids=str)
def test_a_class_is_needed_for_each_image(classes: NDArray[np.int64]) -> None:
    network = inference.read(network_and_file("mlp", (5,), seed=0)[1])
    with pytest.raises(ValueError, match="a class from 0 to 9 is needed for each of the 2 images"):
        gradient(network, random_pixels(2), classes)
