"""What this process computes on: the device, and the precision that pays there."""

import time
from functools import lru_cache
from typing import Literal

import torch

Device = Literal["auto", "cpu", "cuda"]


def choose(device: Device) -> str:
    """Name the device that was asked for; "auto" is a GPU where torch finds one. Raises ValueError without one."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("this worker was told to use a GPU (TENFOLD_DEVICE=cuda), but torch finds none; set it to cpu")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def require_fast(precision: str, device: str) -> None:
    """Raise ValueError if a precision does not pay on a device."""
    if precision == "bfloat16" and (gain := bfloat16_gain(device)) < 1:
        raise ValueError(
            f"precision: matrix products in bfloat16 take {1 / gain:.1f} times as long as in float32 on this worker's "
            f"{device}; set precision to float32"
        )


@lru_cache
def bfloat16_gain(device: str) -> float:
    """Measure how many times as fast as in float32 a product of this service's typical size is in bfloat16."""
    full, half = (_seconds(dtype, device) for dtype in (torch.float32, torch.bfloat16))
    return full / half


def _seconds(dtype: torch.dtype, device: str) -> float:
    x, w = torch.ones(128, 784, dtype=dtype, device=device), torch.ones(784, 512, dtype=dtype, device=device)
    y = torch.empty(128, 512, dtype=dtype, device=device)
    times = []
    for _ in range(7):
        started = time.perf_counter()
        torch.mm(x, w, out=y)
        if device == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)
