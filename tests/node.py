"""Clients that we did not write, for node: npm brings them into a folder below that of a test.

Where there is no node, or npm gets nothing, who asks for one is skipped; not so where CI is true.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_MISSING = [tool for tool in ("node", "npm") if shutil.which(tool) is None]


def program(folder: Path, package: str, name: str, text: str) -> Path:
    """Write a program into a folder that has a package, `name@version`; gives its path."""
    why = f"needs {_MISSING}"
    if not _MISSING:
        install = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", package]
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
        why = f"npm gets no {package}: {done.stderr}" if done.returncode else ""
    if why:
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    path = folder / name
    path.write_text(text)
    return path
