"""Linear layers by oneDNN: held against torch's own, and bits that depend on nothing but examples and weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.fused_linear import as_fastest, half_linear, linear

sizes = st.integers(1, 130)


@given(st.integers(1, 200), sizes, sizes, st.integers(0, 2**32 - 1))
def test_a_layer_gives_what_torchs_own_gives(rows: int, inputs: int, outputs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_BI, w_OI, b_O = (
        torch.randn(shape, generator=generator) for shape in ((rows, inputs), (outputs, inputs), outputs)
    )
    expected = nn.functional.linear(x_BI.double(), w_OI.double(), b_O.double()).float()
    torch.testing.assert_close(linear(x_BI, as_fastest(w_OI), b_O), expected, rtol=1e-4, atol=1e-4)


@given(st.integers(1, 200), sizes, sizes, st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_bits_depend_neither_on_how_many_come_at_once_nor_on_how_weights_lie(
    rows: int, inputs: int, outputs: int, at_once: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_BI, w_OI, b_O = (
        torch.randn(shape, generator=generator) for shape in ((rows, inputs), (outputs, inputs), outputs)
    )
    whole = linear(x_BI, as_fastest(w_OI), b_O)
    lying = as_fastest(w_OI.t().contiguous().t())
    assert torch.equal(whole, linear(x_BI, lying, b_O))
    assert torch.equal(whole, torch.cat([linear(x_bI, lying, b_O) for x_bI in x_BI.split(at_once)]))


@given(st.integers(1, 200), sizes, sizes, st.integers(0, 2**32 - 1))
def test_in_bfloat16_a_layer_gives_what_torchs_own_gives(rows: int, inputs: int, outputs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_BI = torch.randn(rows, inputs, generator=generator).bfloat16()
    w_OI, b_O = torch.randn(outputs, inputs, generator=generator).bfloat16(), torch.randn(outputs, generator=generator)
    y_BO = half_linear(x_BI, as_fastest(w_OI), b_O)
    expected = nn.functional.linear(x_BI.double(), w_OI.double(), b_O.double()).float()
    torch.testing.assert_close(y_BO, expected, rtol=0.01, atol=0.15)
    assert torch.equal(y_BO, half_linear(x_BI, as_fastest(w_OI.t().contiguous().t()), b_O))


def test_what_is_no_number_stays_to_be_seen() -> None:
    x_BI, w_OI = torch.tensor([[1.0, 1.0], [torch.nan, 1.0]]), torch.ones(3, 2)
    y_BO = torch.relu_(linear(x_BI, as_fastest(w_OI), torch.zeros(3)))
    assert y_BO.isnan().any(dim=1).tolist() == [False, True]


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linear(torch.zeros(3, 5), torch.zeros(4, 7), torch.zeros(4))
