import ctypes
import math
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.compiled import bound, build, library
from models.data.examples import Examples
from models.data.gathered import Pixels, gather, whole
from models.data.split import divide
from models.gradients import Factors, Gradients
from models.optimizers import Adam
from models.products.kernels import compiled

pytestmark = pytest.mark.skipif(
    library.loaded() is None and os.environ.get("CI") != "true", reason="nothing is compiled here"
)


@pytest.fixture
def by_torch() -> Iterator[None]:
    library.use(compiled=False)
    yield
    library.use(compiled=True)


def test_it_is_compiled() -> None:
    assert library.is_used()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def outcome(shape: tuple[int, int, int]) -> list[Tensor]:
    """Give what all operations make of the same numbers; rows of networks lie apart, as in a stack."""
    networks, examples, outputs = shape
    rows = random(2, networks, examples * outputs + 16)
    y, dy = (part[:, :-16].unflatten(1, (examples, outputs)) for part in rows)
    gaps = rows[..., -16:].clone()
    bias = random(networks, outputs, seed=1)
    bound.add_bias(y, bias)()
    transposed = dy.clone(memory_format=torch.contiguous_format).mT.contiguous().mT
    bound.add_bias(transposed, bias)()
    bound.relu(y)()
    bound.relu_backward(dy, y)()
    assert torch.equal(rows[..., -16:], gaps)
    return [y, dy, transposed]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (3, 64, 100), (1, 17, 33)])
def test_what_is_done_to_single_numbers_has_the_bits_that_torch_gives(
    shape: tuple[int, int, int], by_torch: None
) -> None:
    expected = outcome(shape)
    library.use(compiled=True)
    for ours, theirs in zip(outcome(shape), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_what_is_no_number_stays_none() -> None:
    y = torch.tensor([[[math.nan, -1.0, math.inf, -0.0]]])
    dy = torch.ones_like(y)
    bound.relu(y)()
    assert y.isnan().tolist() == [[[True, False, False, False]]]
    bound.relu_backward(dy, y)()
    logits, gradient = torch.tensor([[math.nan], [0.0]]), torch.zeros(2, 1)
    loss = bound.cross_entropy(logits, gradient)(torch.tensor([[-1.0], [-0.0]]))
    assert math.isnan(float(loss))
    assert gradient.isnan().all()


@given(
    classes=st.integers(1, 40),
    examples=st.integers(1, 70),
    scale=st.sampled_from([0.01, 1.0, 30.0, 1000.0]),
    seed=st.integers(0, 9),
)
def test_losses_and_gradients_are_those_of_double_precision(
    classes: int, examples: int, scale: float, seed: int
) -> None:
    logits = random(classes, examples, seed=seed) * scale
    labels = torch.arange(examples) % classes
    targets = torch.zeros(classes, examples).index_put_((labels, torch.arange(examples)), torch.tensor(-1 / examples))
    gradient = torch.full_like(logits, math.nan)
    loss = bound.cross_entropy(logits, gradient)(targets)

    exact = logits.double().T.contiguous().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, labels)
    expected.backward()
    assert exact.grad is not None
    assert float(loss) == pytest.approx(expected.item(), rel=1e-6, abs=1e-7)
    torch.testing.assert_close(gradient.double(), exact.grad.T, rtol=2e-6, atol=1e-6 / examples)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("count", [1, 16, 999])
def test_steps_of_adam_are_those_of_torch(count: int, weight_decay: float, decoupled: bool) -> None:
    weights = torch.nn.Parameter(random(count))
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = kind([weights], lr=0.01, weight_decay=weight_decay, fused=True)
    ours, row = Adam(weights, weight_decay=weight_decay, decoupled=decoupled), weights.detach().clone()
    for step in range(1, 20):
        gradients = random(count, seed=step)
        weights.grad = gradients.clone()
        theirs.step()
        ours.step(row, Gradients(gradients), learning_rate=0.01, iteration=step)
        torch.testing.assert_close(row, weights.detach(), rtol=1e-5, atol=1e-6)
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(ours.state[name], theirs.state[weights][name], rtol=1e-5, atol=1e-6)


def pictures(seed: int = 0) -> Examples:
    drawn = np.random.default_rng(seed)
    return Examples(drawn.integers(0, 256, (90, 28, 28), dtype=np.uint8), np.arange(90) % 10)


def test_pictures_that_stay_bytes_have_the_bits_of_the_whole_tensor(by_torch: None) -> None:
    tensor = divide(pictures(), validation_fraction=0.2, split_seed=0).x_train
    library.use(compiled=True)
    pixels = divide(pictures(), validation_fraction=0.2, split_seed=0).x_train
    assert isinstance(tensor, Tensor)
    assert isinstance(pixels, Pixels)
    assert pixels.shape == tensor.shape
    assert torch.equal(whole(pixels), tensor)
    assert torch.equal(torch.cat(list(pixels.split(7))), tensor)
    places = torch.tensor([3, 3, 71, 0, 9])
    for dtype in (torch.float32, torch.bfloat16):
        ours, theirs = torch.empty(5, 784, dtype=dtype), torch.empty(5, 784, dtype=dtype)
        gather(pixels, places, ours)
        gather(tensor, places, theirs)
        assert torch.equal(ours, theirs)


def test_without_a_compiler_it_says_so_and_leaves_no_library(tmp_path: Path) -> None:
    for file in (*build.FOLDER.glob("*.[ch]"), Path(build.__file__)):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "other.so").write_text("of before")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "build.py")],
        env={**os.environ, "CC": "/no/compiler"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "training will be slower" in done.stderr
    assert not list(tmp_path.glob("*.so"))


@pytest.mark.parametrize("file", ["elementwise.c", "tiles.h", "build.py"])
def test_what_was_compiled_from_another_text_is_not_used(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    shutil.copytree(Path(library.__file__).parent, folder)

    def is_loaded() -> bool:
        return runpy.run_path(str(folder / "library.py"))["loaded"]() is not None

    assert is_loaded()
    with (folder / file).open("a") as source:
        source.write("\n")
    assert not is_loaded()


SHAPES = [(64, 784, 100), (1, 3, 1), (5, 17, 10), (130, 50, 33), (100, 40, 120), (512, 9, 7), (33, 24, 225)]


def factors(shape: tuple[int, int, int], place: int, row: Tensor, *, fused: bool) -> Factors:
    """Describe a gradient as a last layer has it: examples of what went out lie side by side."""
    examples, inputs, outputs = shape
    x, dy = random(examples, inputs, seed=3), random(outputs, examples, seed=4).T
    gradient = row[place : place + inputs * outputs].view(1, inputs, outputs)
    return Factors(x, dy, place, compiled(x.T[None], dy[None], gradient), fused)


def test_both_sides_know_for_how_many_examples_there_is_room() -> None:
    assert f"#define MOST_EXAMPLES {library.MOST_EXAMPLES} " in (build.FOLDER / "tiles.h").read_text()


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_made_as_they_are_used_have_the_bits_of_gradients_made_before(shape: tuple[int, int, int]) -> None:
    place, size = 32, 32 + shape[1] * shape[2] + 21
    outcomes = []
    for fused in (False, True):
        row, gradients = random(size), random(size, seed=1)
        ours = Adam(row, weight_decay=0.1, decoupled=True)
        its = Gradients(gradients, [factors(shape, place, gradients, fused=fused)])
        for step in range(1, 4):
            ours.step(row, its, learning_rate=0.01, iteration=step)
        outcomes.append([row, *ours.state.values()])
    assert all(torch.equal(*pair) for pair in zip(*outcomes, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_processors_with_narrow_and_with_wide_vectors_give_the_same_bits(shape: tuple[int, int, int]) -> None:
    examples, inputs, outputs = shape
    x, w = random(examples, inputs), random(outputs, inputs, seed=1).T
    found = [
        its
        for its in (library.loaded_from(f"{kind}.so") for kind in library.kinds())
        if its is not None and its.tenfold_fuses()
    ]
    products = [torch.zeros(examples, outputs) for _ in found]
    for its, product in zip(found, products, strict=True):
        described = library.Product.of(x[None], w[None], product[None])
        its.tenfold_matmul(ctypes.addressof(described))
        torch.testing.assert_close(product.double(), x.double() @ w.double(), rtol=1e-5, atol=1e-4)
        assert torch.equal(product, products[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int32, torch.float64])
def test_numbers_of_another_kind_are_not_taken_for_floats(dtype: torch.dtype) -> None:
    assert library.functions(torch.zeros(2, dtype=dtype)) is None


def test_the_package_is_built_with_what_it_compiles() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["path"]
    assert Path(build.__file__).as_posix().endswith(hook)
