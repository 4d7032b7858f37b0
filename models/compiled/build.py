"""Compiles the C files beside it when the package is installed; where that fails, torch computes all, and slower.

The command is that of the environment variable CC, or `cc`. By hand: `python models/compiled/build.py`.
"""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, there is nothing to pack
    BuildHookInterface = object

FOLDER = Path(__file__).parent
# Nothing is reordered: every processor and every compiler gives the same bits. Only products fuse what they multiply
# and add.
FLAGS = ("-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
CONTRACTED: Mapping[str, bool] = {"elementwise.c": False, "matmul.c": True, "descent.c": True}


def variants() -> Mapping[str, Sequence[str]]:
    """Name the libraries by what processors they are for, as `library` looks for them, with the flags of each."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return {"other": ()}
    return {"avx512": ("-march=x86-64-v4",), "avx2": ("-march=x86-64-v3",), "other": ()}


def compiled() -> list[Path]:
    """Compile; gives the libraries that there are now."""
    made: list[Path] = []
    for name, flags in variants().items():
        try:
            (FOLDER / f"{name}.so").unlink(missing_ok=True)
            made.append(_compiled(name, flags))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"training will be slower on processors of kind {name}, as C was not compiled: {error}\n")
    return made


def _compiled(name: str, flags: Sequence[str]) -> Path:
    text = b"".join(file.read_bytes() for file in (Path(__file__), *sorted(FOLDER.glob("*.[ch]"))))
    digest = hashlib.sha256(text).hexdigest()[:16]  # by which library.py knows it again
    command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, *flags, f"-DTENFOLD_SOURCE=0x{digest}u"]
    library = FOLDER / f"{name}.so"
    with tempfile.TemporaryDirectory() as folder:
        objects: list[str] = []
        for source, contracted in CONTRACTED.items():
            objects.append(str(Path(folder, source).with_suffix(".o")))
            contract = f"-ffp-contract={'fast' if contracted else 'off'}"
            subprocess.run([*command, contract, "-c", str(FOLDER / source), "-o", objects[-1]], check=True)
        subprocess.run([*command, "-shared", *objects, "-o", str(library), "-lm"], check=True)
    return library


class Hook(BuildHookInterface):  # type: ignore[misc]
    """What hatchling calls before it packs the files."""

    target_name: str

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say that the package is for this kind of machine alone if that went well."""
        if self.target_name == "wheel" and (made := compiled()) and version != "editable":
            build_data |= {"pure_python": False, "infer_tag": True}
            build_data["force_include"] |= {str(file): f"models/compiled/{file.name}" for file in made}


if __name__ == "__main__":
    sys.exit(not compiled())
