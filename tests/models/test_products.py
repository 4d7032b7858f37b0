from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.compiled import library
from models.products import choice, kernels, processor
from models.products.choice import Choice

SIDES = st.sampled_from([1, 2, 5, 10, 17, 64, 97, 130])


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


THERE = [name for name in kernels.KERNELS if name != "compiled" or library.is_used()]


@given(kernel=st.sampled_from(THERE), rows=SIDES, inner=SIDES, columns=SIDES, networks=SIDES)
def test_a_product_has_the_same_bits_alone_and_beside_others_wherever_it_lies(
    kernel: kernels.Name, rows: int, inner: int, columns: int, networks: int
) -> None:
    processor.use_threads(1)
    torch.set_num_threads(1)
    networks = min(networks, 5)
    a, b = random(networks, rows, inner, seed=0), random(networks, inner, columns, seed=1)
    # As in a stack: the matrices of a network lie on cache lines, and not behind those of the one before.
    wide = torch.zeros(networks, -(-rows * columns // 16) * 16 + 16)
    together = wide[:, : rows * columns].unflatten(1, (rows, columns))
    kernels.KERNELS[kernel](a, b, together)()
    torch.testing.assert_close(together, a @ b, rtol=1e-4, atol=1e-4)
    for number in range(networks):
        alone = torch.zeros(1, rows, columns)
        kernels.KERNELS[kernel](a[number : number + 1].clone(), b[number : number + 1].clone(), alone)()
        assert torch.equal(alone[0], together[number])


def test_a_product_of_transposed_matrices_fills_a_transposed_one() -> None:
    for name in THERE:
        a, b, out = random(2, 5, 64, seed=0).mT, random(2, 9, 5, seed=1).mT, torch.zeros(2, 9, 64).mT
        kernels.KERNELS[name](a, b, out)()
        torch.testing.assert_close(out, a @ b)


@pytest.mark.skipif(not library.multiplies(), reason="there are no compiled products here")
def test_a_choice_without_compiled_functions_or_for_other_numbers_is_one_of_libraries() -> None:
    a, b, out = (torch.zeros(1, 5, 5) for _ in range(3))
    only = Choice("compiled", "compiled")
    assert only.of(a, b, out) == "compiled"
    assert only.of(a.double(), b.double(), out.double()) == "mkl"
    library.use(compiled=False)
    try:
        assert only.of(a, b, out) == "mkl"
        assert choice.known() is None or "compiled" not in vars(choice.known()).values()
        with pytest.raises(ValueError, match="no compiled functions"):
            kernels.compiled(a, b, out)
    finally:
        library.use(compiled=True)
    scattered = torch.zeros(1, 5, 10)[..., ::2]
    with pytest.raises(ValueError, match="neither rows nor columns"):
        kernels.compiled(a, b, scattered)


def test_how_much_there_is_to_multiply_decides_on_the_kernel() -> None:
    assert not choice.is_large(64, 100, 50)
    assert not choice.is_large(64, 784, 100)
    assert choice.is_large(64, 784, 512)
    assert choice.is_large(512, 64, 784)


def test_every_choice_of_the_table_names_kernels_and_what_was_told_to_be_used_is_used() -> None:
    for entry in choice.TABLE.values():
        assert {entry.small, entry.large} <= set(kernels.KERNELS)
    assert set(get_args(kernels.Name)) == set(kernels.KERNELS)
    assert choice.current() == (choice.known() or choice.REFERENCE)
    choice.use(Choice("mkl", "openblas"))
    assert choice.current() == Choice("mkl", "openblas")
    assert choice.described()["large_products"] == "openblas"
    choice.use(None)


def test_a_processor_that_no_table_knows_is_measured() -> None:
    measured = choice.measured()
    assert {measured.small, measured.large} <= set(kernels.KERNELS)


def test_a_library_that_is_not_openblas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "this", lambda: processor.Processor("another", "AVX512", "none"))
    assert choice.known() == choice.REFERENCE
