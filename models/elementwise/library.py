"""The functions of elementwise.c, if they could be compiled; tensors are given by their addresses."""

import ctypes
import hashlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

_FILE = Path(__file__).with_name("elementwise.so")
_SOURCE = _FILE.with_suffix(".c")

_POINTER, _COUNT, _FLOAT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float

_ARGUMENTS = {
    "tenfold_adam": [_POINTER] * 4 + [_COUNT] + [_FLOAT] * 7,
    "tenfold_add_bias": [_POINTER] * 2 + [_COUNT] * 5,
    "tenfold_add_bias_by_row": [_POINTER] * 2 + [_COUNT] * 5,
    "tenfold_relu": [_POINTER] + [_COUNT] * 3,
    "tenfold_relu_backward": [_POINTER] * 2 + [_COUNT] * 3,
    "tenfold_cross_entropy": [_POINTER] * 4 + [_COUNT] * 2,
    "tenfold_gather": [_POINTER] * 3 + [_COUNT] * 2 + [_FLOAT] * 2,
    "tenfold_gather_bfloat16": [_POINTER] * 3 + [_COUNT] * 2 + [_FLOAT] * 2,
}

_enabled = True


@cache
def loaded() -> ctypes.CDLL | None:
    """Give the compiled functions, if there are any."""
    try:
        library = ctypes.CDLL(str(_FILE))
        library.tenfold_source.restype = ctypes.c_uint64
        if library.tenfold_source() != int(source(), 16):
            return None
        for name, arguments in _ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = _FLOAT if name == "tenfold_cross_entropy" else None
    except (OSError, AttributeError):  # not compiled, for another machine, or of another version
        return None
    return library


@cache
def source() -> str:
    """Give the digest of elementwise.c: what was compiled from another text is not used, and has other bits perhaps."""
    return hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]


def functions(*tensors: Tensor) -> ctypes.CDLL | None:
    """Give the compiled functions, if there are any and they can compute on these tensors."""
    if not _enabled or any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors):
        return None
    return loaded()


def is_used() -> bool:
    """Whether compiled functions are there and used."""
    return functions() is not None


def use(compiled: bool) -> None:
    """Compute by the compiled functions from now on, or by torch alone."""
    global _enabled
    _enabled = compiled
