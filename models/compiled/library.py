"""The compiled functions, if there are any for this processor; tensors are given by their addresses."""

import ctypes
import hashlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

_FOLDER = Path(__file__).parent

_POINTER, _COUNT, _FLOAT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float

_ARGUMENTS = {
    "tenfold_adam": [_POINTER] * 4 + [_COUNT, _POINTER],
    "tenfold_descend": [_POINTER] * 4 + [_COUNT, _POINTER, _COUNT, _POINTER],
    "tenfold_matmul": [_POINTER],
    "tenfold_add_bias": [_POINTER] * 2 + [_COUNT] * 5,
    "tenfold_add_bias_by_row": [_POINTER] * 2 + [_COUNT] * 5,
    "tenfold_relu": [_POINTER] + [_COUNT] * 3,
    "tenfold_relu_backward": [_POINTER] * 2 + [_COUNT] * 3,
    "tenfold_cross_entropy": [_POINTER] * 4 + [_COUNT] * 2,
    "tenfold_join_digits": [_POINTER] * 4 + [_COUNT] * 2,
    "tenfold_gather": [_POINTER] * 3 + [_COUNT] * 2 + [_FLOAT] * 2,
    "tenfold_gather_bfloat16": [_POINTER] * 3 + [_COUNT] * 2 + [_FLOAT] * 2,
}

MOST_EXAMPLES = 512
"""Of a batch whose gradients are made as they are used; as in tiles.h."""

_enabled = True


class Matrix(ctypes.Structure):
    """Number (i, j) lies at `numbers` + i * row + j * column."""

    _fields_ = (("numbers", _POINTER), ("row", _COUNT), ("column", _COUNT))

    @classmethod
    def of(cls, tensor: Tensor) -> "Matrix":
        """Describe a tensor of two dimensions."""
        return cls(tensor.data_ptr(), *tensor.stride())


class Product(ctypes.Structure):
    """What tenfold_matmul takes, as in matmul.c."""

    _fields_ = (
        *((name, _COUNT) for name in ("networks", "rows", "terms", "columns")),
        ("a", Matrix),
        ("b", Matrix),
        ("out", _POINTER),
        *((name, _COUNT) for name in ("out_row", "a_next", "b_next", "out_next")),
    )

    @classmethod
    def of(cls, a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> "Product":
        """Describe a product; rows of `out` lie together."""
        networks, rows, columns = out_KMN.shape
        return cls(
            networks,
            rows,
            a_KMI.shape[2],
            columns,
            Matrix.of(a_KMI[0]),
            Matrix.of(b_KIN[0]),
            out_KMN.data_ptr(),
            out_KMN.stride(1),
            a_KMI.stride(0),
            b_KIN.stride(0),
            out_KMN.stride(0),
        )


class Factors(ctypes.Structure):
    """A gradient that is made as it is used, as in descent.c."""

    _fields_ = (
        ("a", Matrix),
        ("b", Matrix),
        *((name, _COUNT) for name in ("place", "inputs", "examples", "outputs")),
    )


class Adam(ctypes.Structure):
    """The numbers of a step of Adam, as in elementwise.h."""

    _fields_ = tuple((name, _FLOAT) for name in ("step", "scale", "beta1", "beta2", "epsilon", "decay", "kept"))


@cache
def loaded() -> ctypes.CDLL | None:
    """Give the compiled functions, if there are any."""
    return next((library for kind in kinds() if (library := loaded_from(f"{kind}.so")) is not None), None)


def kinds() -> tuple[str, ...]:
    """Name the kinds of processors for which things are compiled and of which this one is, the fastest first."""
    capability, known = torch.backends.cpu.get_cpu_capability().lower(), ("avx512", "avx2", "other")
    return known[known.index(capability) if capability in known else -1 :]


def loaded_from(name: str) -> ctypes.CDLL | None:
    """Give the functions of one of the libraries, whatever processor it is for; None where it is of another text."""
    try:
        library = ctypes.CDLL(str(_FOLDER / name))
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
    """Give the digest of the C files and their flags: what was compiled of others is not used, its bits may differ."""
    text = b"".join(file.read_bytes() for file in (_FOLDER / "build.py", *sorted(_FOLDER.glob("*.[ch]"))))
    return hashlib.sha256(text).hexdigest()[:16]


def functions(*tensors: Tensor) -> ctypes.CDLL | None:
    """Give the compiled functions, if there are any and they can compute on these tensors."""
    if not _enabled or any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors):
        return None
    return loaded()


def is_used() -> bool:
    """Whether compiled functions are there and used."""
    return functions() is not None


def multiplies() -> bool:
    """Whether compiled functions multiply, fused: where a processor cannot fuse, others are faster, and round alike."""
    library = functions()
    return library is not None and bool(library.tenfold_fuses())


def use(compiled: bool) -> None:
    """Compute by the compiled functions from now on, or by torch alone."""
    global _enabled
    _enabled = compiled
