"""What this process computes on: the device, and the precision that pays there."""

from typing import Literal

import torch

from models.products import processor

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
    if precision == "bfloat16" and device == "cpu" and not processor.multiplies_bfloat16():
        raise ValueError(
            "precision: this worker's processor does not multiply in bfloat16 itself (it has neither avx512_bf16 nor "
            "amx_bf16), and would take several times as long as in float32; set precision to float32"
        )
