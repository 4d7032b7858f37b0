"""What products are computed with: the processor's instruction sets, and which kernels the libraries chose by them.

Libraries tell it only of themselves in a process that multiplies, so one is started and asked: numpy's OpenBLAS through
threadpoolctl, torch's MKL and oneDNN by what they print when they are told to be verbose.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")

AVX2: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Variables by which the libraries compute as on a processor that has no more than AVX2."""

_MULTIPLYING = """
import numpy, torch
from threadpoolctl import threadpool_info

x, w = torch.ones(64, 784), torch.ones(100, 784)
torch.mm(x, w.T)
try:
    torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
except (AttributeError, RuntimeError):
    print("oneDNN float32: not in this torch")
torch.nn.functional.linear(x.bfloat16(), w.bfloat16())
x.numpy() @ w.numpy().T
for library in threadpool_info():
    if library["user_api"] == "blas":
        print("numpy", numpy.__version__, library["internal_api"], library["version"], library.get("architecture"))
print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability())
"""


def instruction_sets(listing: Path = Path("/proc/cpuinfo")) -> str:
    """Say which of the instruction sets that matter here the processor has, and which it has not."""
    lines = listing.read_text().splitlines() if listing.exists() else []
    flags = {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
    if not flags:
        return "instruction sets unknown"
    there, missing = ([name for name in SETS if (name in flags) is has] for has in (True, False))
    return f"has {', '.join(there) or 'none of these'}" + (f"; lacks {', '.join(missing)}" if missing else "")


def has_bfloat16(listing: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 by itself."""
    return bool(re.search("has .*(avx512_bf16|amx_bf16)", instruction_sets(listing).partition(";")[0]))


def kernels(environment: Mapping[str, str] | None = None) -> str:
    """Give lines about the kernels that run under these variables."""
    verbose = {"MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _MULTIPLYING],
        env={**os.environ, **(environment or {}), **verbose},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return f"kernels: a process that multiplies failed: {done.stderr.strip()[-200:]}"
    told = [_told(line) for line in done.stdout.splitlines()]
    return "kernels: " + "; ".join(line for line in told if line)


def _told(line: str) -> str:
    if line.startswith("MKL_VERBOSE oneMKL"):
        version, _, sets = line.removeprefix("MKL_VERBOSE ").partition(" Product build")
        return f"MKL {version.removeprefix('oneMKL ')}:{sets.partition('architecture')[2].partition(', Lnx')[0]}"
    if line.startswith("onednn_verbose") and ",cpu,isa:" in line:
        return f"oneDNN: {line.partition(',cpu,isa:')[2]}"
    if line.startswith("onednn_verbose") and ",exec,cpu," in line:
        words = line.split(",exec,cpu,")[1].split(",")
        form = "bfloat16" if "src:bf16" in line else "float32"
        return f"oneDNN {form} {words[1]}"
    return line if line.startswith(("numpy", "torch", "oneDNN")) else ""
