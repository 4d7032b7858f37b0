"""Compiles elementwise.c when the package is installed; where that fails, everything works by torch, and slower.

The command is that of the environment variable CC, or `cc`. By hand: `python models/elementwise/build.py`.
"""

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, there is nothing to pack
    BuildHookInterface = object

SOURCE = Path(__file__).with_name("elementwise.c")
LIBRARY = SOURCE.with_suffix(".so")
# No contraction and no reordering: every processor and every compiler gives the same bits.
FLAGS = ("-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fPIC", "-shared")


def compiled() -> bool:
    """Compile; tells whether there is a library now."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]  # by which library.py knows it again
    flags = (*FLAGS, f"-DTENFOLD_SOURCE=0x{digest}u")
    command = [*shlex.split(os.environ.get("CC", "cc")), *flags, str(SOURCE), "-o", str(LIBRARY), "-lm"]
    LIBRARY.unlink(missing_ok=True)
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"training will be slower, as elementwise.c could not be compiled: {error}\n")
        return False
    return True


class Hook(BuildHookInterface):  # type: ignore[misc]
    """What hatchling calls before it packs the files."""

    target_name: str

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say that the package is for this kind of machine alone if that went well."""
        if self.target_name == "wheel" and compiled() and version != "editable":
            build_data |= {"pure_python": False, "infer_tag": True}
            build_data["force_include"][str(LIBRARY)] = f"models/elementwise/{LIBRARY.name}"


if __name__ == "__main__":
    sys.exit(not compiled())
