"""What a core can do at most, as far as its libraries and a C compiler find out: products, memory, and steps of Adam.

The peak is that of the fastest of all ways to multiply that were tried, on matrices of sizes that stay in the cache.
Adam is a loop in C, compiled for this processor when it is measured.

Legend of shapes: P numbers of a network.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.kernels import has_bfloat16

SIZES = (128, 256, 384, 512, 768, 1024)
PARAMETERS = 784 * 100 + 100 + 100 * 50 + 50 + 50 * 10 + 10
_BURST_SECONDS, _BURSTS = 0.01, 5
_MEMORY = {"L2": 2**18, "L3": 2**24, "DRAM": 2**28}
"""Bytes of each of two parts that are copied."""
_COMPILE = ("cc", "-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-shared", "-fPIC")


@dataclass(frozen=True)
class Peak:
    """The most of one core: GFLOP/s by kind of number, with who reached it, GB/s copied by place, seconds of a step."""

    gflops: Mapping[str, tuple[float, str]]
    memory: Mapping[str, float]
    adam: float


def peaks() -> Iterator[Peak]:
    """Measure again whenever it is asked for, for a second or so each time."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    products, copies, step = _products(), _copies(), _adam()

    def run() -> Iterator[Peak]:
        while True:
            best: dict[str, tuple[float, str]] = {}
            for (numbers, who), (flop, multiply) in products.items():
                reached = flop / _least_seconds(multiply) / 1e9
                best[numbers] = max(best.get(numbers, (0.0, "")), (reached, who))
            memory = {place: 2 * _MEMORY[place] / _least_seconds(copy) / 1e9 for place, copy in copies.items()}
            yield Peak(best, memory, _least_seconds(step))

    return run()


def _least_seconds(work: Callable[[], object]) -> float:
    """Give the least seconds of a call over some bursts of calls."""
    work()
    started = time.perf_counter()
    work()
    calls = max(1, round(_BURST_SECONDS / max(time.perf_counter() - started, 1e-7)))
    least = float("inf")
    for _ in range(_BURSTS):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        least = min(least, (time.perf_counter() - started) / calls)
    return least


def _products() -> dict[tuple[str, str], tuple[float, Callable[[], object]]]:
    """Give the ways to multiply, each with its floating point operations: by kind of numbers and who does it."""
    ways: dict[tuple[str, str], tuple[float, Callable[[], object]]] = {}
    for size in SIZES:
        flop, x, w = 2.0 * size**3, torch.randn(size, size), torch.randn(size, size)
        out, x_half, w_half = torch.empty(size, size), x.bfloat16(), w.bfloat16()
        ways["float32", f"np.matmul {size}"] = (flop, partial(np.matmul, x.numpy(), w.numpy(), out=out.numpy()))
        ways["float32", f"torch.mm {size}"] = (flop, partial(torch.mm, x, w, out=out))
        one_dnn = partial(torch.ops.mkldnn._linear_pointwise, attr="none", scalars=[], algorithm="")
        try:
            one_dnn(x, w, None)
        except (AttributeError, RuntimeError):
            pass
        else:
            ways["float32", f"oneDNN {size}"] = (flop, partial(one_dnn, x, w, None))
        if has_bfloat16():
            ways["bfloat16", f"linear {size}"] = (flop, partial(torch.nn.functional.linear, x_half, w_half))
    return ways


def _copies() -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {}
    for place, size in _MEMORY.items():
        ways[place] = partial(np.copyto, np.zeros(size // 4, np.float32), np.ones(size // 4, np.float32))
    return ways


def compiler() -> str | None:
    """Name the C compiler, if there is one."""
    return shutil.which(_COMPILE[0])


def _adam() -> Callable[[], object]:
    with tempfile.TemporaryDirectory(prefix="tenfold-adam-") as folder:
        library = Path(folder) / "adam.so"
        subprocess.run([*_COMPILE, "-o", library, Path(__file__).parent / "adam.c", "-lm"], check=True)
        function = ctypes.CDLL(str(library)).adam
    function.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 4, ctypes.c_float, ctypes.c_float]
    rows = [np.full(PARAMETERS, 1e-3, np.float32) for _ in range(4)]
    pointers = [row.ctypes.data_as(ctypes.c_void_p) for row in rows]

    # The rows live as long as their pointers are used.
    def step(_rows: object = rows) -> None:
        function(PARAMETERS, *pointers, 1e-6, 1.0)

    return step
