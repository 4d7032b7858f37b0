"""Files are known again while nothing has happened to them, never after, and noted only when that is safe."""

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data import known_files, load, split
from models.data.builtin import BUILTIN, Source
from models.data.known_files import RESTED_SECONDS, Files, files_of
from models.data.split import Split, prepare
from models.data.split_cache import SplitCache
from models.spec import TrainingSpec
from tests.waiting import wait_until

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def write(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    arrays: list[NDArray[np.uint8]] = [
        random.integers(0, 256, (40, 28, 28), np.uint8),
        np.arange(40, dtype=np.uint8) % 10,
    ]
    for name, array in zip(NAMES, arrays, strict=True):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (folder / name).write_bytes(header + array.tobytes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a small data set that is taken for one whose digests nobody knows."""
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    write(raw, 0)
    files = tuple(Source(name, (raw / name).stat().st_size, "") for name in NAMES)
    small = replace(BUILTIN["kmnist"], files=files, test=())
    monkeypatch.setattr(load, "BUILTIN", {**BUILTIN, "kmnist": small})
    return raw


def looked_at(folder: Path) -> Files:
    found = files_of("kmnist", folder.parent.parent)
    assert found is not None
    return found


def rewritten_in_place(path: Path) -> None:
    """Write other bytes of the same number, and set the time of writing back to what it was."""
    before = path.stat()

    def has_another_time() -> bool:
        content = path.read_bytes()
        path.write_bytes(content[:16] + bytes((byte + 1) % 256 for byte in content[16:]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return path.stat().st_ctime_ns != before.st_ctime_ns

    wait_until(has_another_time, timeout=30, what="another time of change")


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def test_files_that_nobody_touched_are_known_by_the_same(folder: Path) -> None:
    assert looked_at(folder).decides() == looked_at(folder).decides()


@pytest.mark.parametrize("happens", [rewritten_in_place, replaced])
def test_whatever_happens_to_a_file_it_is_not_known_any_more(happens: Callable[[Path], None], folder: Path) -> None:
    before = looked_at(folder)
    happens(folder / NAMES[0])
    assert looked_at(folder).decides() != before.decides()
    assert not replace(before, asked_at=before.asked_at + 60).are_settled(), "it changed while it was read"


def test_of_files_that_were_just_written_no_note_is_made(folder: Path) -> None:
    found = looked_at(folder)
    assert not found.are_settled()
    assert replace(found, asked_at=found.asked_at + RESTED_SECONDS + 1).are_settled()


def test_data_sets_without_files_are_not_looked_for(tmp_path: Path) -> None:
    assert files_of("digits", tmp_path) is None
    assert files_of("kmnist", tmp_path) is None


def test_a_split_is_found_without_reading_and_never_for_other_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "RESTED_SECONDS", -60.0)  # as if they had lain there for long
    cache = SplitCache(tmp_path / "cache", 10**9)
    spec = TrainingSpec.model_validate({"dataset": "kmnist"})

    def prepared() -> Split:
        split._cached_split.cache_clear()  # as another process
        return prepare(spec, tmp_path, None, cache)

    def kept() -> int:
        return sum((place / "about.json").exists() for place in cache.folder.glob("[!.]*"))

    first = prepared()
    wait_until(lambda: cache.folder.is_dir() and kept() == 2, timeout=30, what="both to be kept")
    with monkeypatch.context() as unread:
        unread.setattr("models.data.split.load_builtin", None)
        again = prepared()
    assert (again.digest, again.mean, again.schema) == (first.digest, first.mean, first.schema)
    assert (again.learned == first.learned).all()
    rewritten_in_place(folder / NAMES[0])
    other = prepared()
    assert other.digest != first.digest
    assert (other.learned != first.learned).any()
