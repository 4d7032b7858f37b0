"""The first layer on bytes: as exact as float32 at least, the same in any company, and nothing hidden."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.compiled import library
from models.data.gathered import Pixels, whole
from models.evaluation import BATCH, accuracies, validations
from models.forward import Forward
from models.networks import MLP, NMLP
from models.pixel_linear import ROWS, PixelLinear, fits, is_there, signed

MEAN, DEVIATION = 33.3, 78.6

only_here = pytest.mark.skipif(not is_there(), reason="this processor has no instructions for products of bytes")


def pictures(count: int, pixels: int = 784, seed: int = 0) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(256, (count, pixels), generator=generator, dtype=torch.uint8)
    return Pixels(values, MEAN, DEVIATION)


def layer(inputs: int, outputs: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(outputs, inputs, generator=generator), torch.randn(outputs, generator=generator)


def on_bytes(of: Pixels, w_OI: torch.Tensor, b_O: torch.Tensor) -> torch.Tensor:
    return PixelLinear(w_OI, b_O, MEAN, DEVIATION)(signed(of.values, torch.empty_like(of.values)))


@pytest.fixture
def by_torch() -> Iterator[None]:
    library.use(False)
    yield
    library.use(True)


@only_here
@given(st.integers(1, 40), st.integers(1, 800), st.integers(1, 130), st.integers(0, 2**32 - 1))
def test_no_output_is_farther_off_than_those_of_float32(rows: int, inputs: int, outputs: int, seed: int) -> None:
    of, (w_OI, b_O) = pictures(rows, inputs, seed), layer(inputs, outputs, seed)
    x_BI = (of.values.double() - MEAN) / DEVIATION
    exact = x_BI @ w_OI.double().t() + b_O.double()
    weighed = x_BI.abs() @ w_OI.double().abs().t() + b_O.double().abs()
    off = (on_bytes(of, w_OI, b_O) - exact).abs()
    most = (x_BI.abs().sum(1, keepdim=True) + 1) * w_OI.abs().amax(1).double() * 2**-24
    assert bool((off <= most + weighed * 2**-23).all())


@only_here
@given(st.integers(1, 2 * ROWS), st.integers(1, 300), st.integers(1, 40), st.integers(1, 2 * ROWS))
def test_bits_do_not_depend_on_how_many_come_at_once(rows: int, inputs: int, outputs: int, at_once: int) -> None:
    of, (w_OI, b_O) = pictures(rows, inputs), layer(inputs, outputs, 1)
    parts = [on_bytes(Pixels(values, MEAN, DEVIATION), w_OI, b_O) for values in of.values.split(at_once)]
    assert torch.equal(on_bytes(of, w_OI, b_O), torch.cat(parts))


@only_here
def test_compiled_code_and_torch_join_digits_to_the_same_bits(by_torch: None) -> None:
    of, (w_OI, b_O) = pictures(ROWS + 3), layer(784, 17, 2)
    plain = on_bytes(of, w_OI, b_O)
    library.use(True)
    assert torch.equal(on_bytes(of, w_OI, b_O), plain)


@only_here
@pytest.mark.parametrize("kind", [torch.nan, torch.inf, -torch.inf])
def test_a_weight_that_is_no_finite_number_stays_to_be_seen(kind: float) -> None:
    w_OI, b_O = layer(784, 5, 3)
    w_OI[2, 7] = kind
    y_BO = on_bytes(pictures(4), w_OI, b_O)
    assert y_BO.isnan().any(dim=0).tolist() == [False, False, True, False, False]


@only_here
@pytest.mark.parametrize("weight", [0.0, 1e-45, 1e-38, 3e38])
def test_the_least_and_the_largest_weights_give_what_they_ought(weight: float) -> None:
    of, w_OI = pictures(3), torch.full((2, 784), weight)
    exact = ((of.values.double() - MEAN) / DEVIATION) @ w_OI.double().t()
    torch.testing.assert_close(on_bytes(of, w_OI, torch.zeros(2)), exact.float())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("network", [MLP(20, 7), NMLP(20, 8, dropout=0.5)], ids=["mlp", "nmlp"])
def test_pictures_are_judged_as_their_tensor_is(network: torch.nn.Module, half: bool) -> None:
    of = pictures(BATCH + ROWS + 1)
    y_N = torch.randint(10, (len(of.values),), generator=torch.Generator().manual_seed(1))
    forward = Forward(network)
    (on_pixels,), (on_tensor,) = (validations([forward], x_ND, y_N, ["log_loss"]) for x_ND in (of, whole(of)))
    assert on_pixels.log_loss == pytest.approx(on_tensor.log_loss, rel=1e-6)
    assert abs(on_pixels.confusion - on_tensor.confusion).sum() <= 4
    dtype = torch.bfloat16 if half else torch.float32
    measured = accuracies([Forward(network, half=half)], of, y_N, dtype)
    assert measured == pytest.approx([on_tensor.accuracy], abs=0.01)


def test_a_network_has_the_same_bits_alone_and_among_others() -> None:
    of, networks = pictures(BATCH + 9), [Forward(MLP(12 + number)) for number in range(3)]
    y_N = torch.zeros(len(of.values), dtype=torch.int64)
    together = validations(networks, of, y_N, ["log_loss"] * 3)
    for network, its in zip(networks, together, strict=True):
        (alone,) = validations([network], of, y_N, ["log_loss"])
        assert alone.log_loss == its.log_loss
        assert np.array_equal(alone.probabilities, its.probabilities)


def test_the_reference_makes_pictures_first(by_torch: None) -> None:
    assert not fits(784)
    assert not Forward(MLP(20)).takes_bytes(pictures(2))


def test_pictures_so_large_that_their_sums_might_pass_32_bits_are_made_first() -> None:
    assert not fits(2**31 // 128**2)


def test_a_torch_without_onednn_makes_pictures_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not is_there.__wrapped__()
