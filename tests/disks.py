"""Small disks that are really full, or really read-only: file systems in memory, mounted for one test."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

BYTES = 2 * 2**20


@contextmanager
def small_disk(folder: Path, *, files: int = 1000) -> Iterator[Path]:
    """Mount a disk of 2 MiB; the test is skipped where that needs rights that it does not have."""
    folder.mkdir()
    options = f"size={BYTES},nr_inodes={files}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte; gives the file that does it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(2**16)):
            pass
    return ballast


def make_read_only(folder: Path) -> None:
    """Let a disk be one that can only be read."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
