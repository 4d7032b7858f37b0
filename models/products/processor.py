"""The processor as products see it: who made it, the widest instructions there are, and OpenBLAS's kernel for it."""

import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Processor:
    """What decides which kernel is best, and which bits it gives.

    `instructions` are those that torch uses, `AVX512`, `AVX2` or others; `openblas` names the version and the kernel of
    the library by which numpy multiplies, or that it has another.
    """

    vendor: str
    instructions: str
    openblas: str


@cache
def this() -> Processor:
    """Describe this machine's processor; what an environment forces upon libraries is told as it is forced."""
    capability = torch.backends.cpu.get_cpu_capability()
    kernels = [f"{library.version} {library.architecture}" for library in _openblas()]
    return Processor(_told("vendor_id") or platform.machine(), capability, " ".join(kernels) or "none")


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor itself multiplies numbers of bfloat16: where it does not, they take longer than others."""
    return bool({"avx512_bf16", "amx_bf16"} & set((_told("flags") or "").split()))


@cache
def multiplies_bytes() -> bool:
    """Whether the processor itself adds up products of bytes, on vectors of 512 bits or in tiles."""
    wide = this().instructions.startswith("AVX512")
    return wide and bool({"avx512_vnni", "amx_int8"} & set((_told("flags") or "").split()))


def use_threads(count: int) -> None:
    """Let numpy multiply by so many threads: by several it would share the sums, and round otherwise."""
    for library in _openblas():
        if library.num_threads != count:
            library.set_num_threads(count)


@cache
def _openblas() -> list[Any]:
    """Give numpy's own, where it has brought one: scipy's is there or not, by what else this process has loaded."""
    found = [library for library in ThreadpoolController().lib_controllers if library.internal_api == "openblas"]
    return [library for library in found if {"numpy", "numpy.libs"} & set(Path(library.filepath).parts)] or found


@cache
def _told(name: str) -> str | None:
    with suppress(OSError):  # no Linux, or a container that hides it
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return None
