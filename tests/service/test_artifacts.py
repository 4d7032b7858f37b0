"""Files are written whole or not at all."""

import errno
import hashlib
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from service.artifacts import Artifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path)


def files(artifacts: Artifacts) -> list[Path]:
    return [path for path in artifacts.folder.rglob("*") if path.is_file()]


def test_what_is_written_is_read_again_by_its_key(artifacts: Artifacts) -> None:
    file = artifacts.write("jobs/1", "last.state.safetensors", b"weights", epoch=3)
    assert file.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (file.size, file.epoch, file.name) == (7, 3, "last.state.safetensors")
    assert file.key.endswith(".state.safetensors")
    assert artifacts.read(file.key, file.sha256) == b"weights"


def test_the_same_name_twice_is_two_files(artifacts: Artifacts) -> None:
    keys = {artifacts.write("jobs/1", "last.json", b"{}").key for _ in range(3)}
    assert len(keys) == 3


@pytest.mark.parametrize("damage", [b"weightz", b"weight", b""])
def test_a_file_that_was_damaged_is_not_read(artifacts: Artifacts, damage: bytes) -> None:
    file = artifacts.write("jobs/1", "last", b"weights")
    artifacts.path(file.key).write_bytes(damage)
    with pytest.raises(ValueError, match="damaged"):
        artifacts.read(file.key, file.sha256)


def test_a_folder_that_is_removed_meanwhile_is_made_again(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    (artifacts.folder / "models").mkdir(parents=True)
    mkdir, removals = Path.mkdir, iter([True])

    def made_and_removed(self: Path, **options: Any) -> None:
        mkdir(self, **options)
        if next(removals, False):
            self.rmdir()

    monkeypatch.setattr(Path, "mkdir", made_and_removed)
    file = artifacts.write("models/m", "card.json", b"{}")
    assert artifacts.read(file.key, file.sha256) == b"{}"


def test_a_writer_that_fails_leaves_nothing_behind(artifacts: Artifacts) -> None:
    def fill(_file: object) -> None:
        raise RuntimeError("no more ink")

    with pytest.raises(RuntimeError):
        artifacts.write_with("jobs/1", "last", fill)
    assert files(artifacts) == []


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    # A limit on the size of files, in a process of its own, stands for a full disk.
    script = (
        "import resource, signal, sys, pathlib\n"
        "from service.artifacts import Artifacts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    Artifacts(pathlib.Path(sys.argv[1])).write('jobs/1', 'last', bytes(5000))\n"
        "except OSError as error:\n"
        "    sys.exit(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == errno.EFBIG
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("owner", ["datasets/mine", "datasets/mine/3"])
def test_what_is_half_written_is_abandoned_once_its_program_has_died(artifacts: Artifacts, owner: str) -> None:
    # Killed in the middle of an upload: nothing of this program runs any more that could tidy up.
    script = (
        "import os, pathlib, signal, sys\n"
        "from service.artifacts import Artifacts\n"
        "def die(file):\n"
        "    file.write(b'half'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Artifacts(pathlib.Path(sys.argv[1])).write_with(sys.argv[2], 'table.npy', die)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(artifacts.folder), owner], check=False)
    (left,) = files(artifacts)

    def look(_file: object) -> None:
        found.extend(artifacts.abandoned("datasets"))  # while this one is half written too

    found: list[str] = []
    artifacts.write_with("datasets/other", "table.npy", look)
    assert found == [str(left.relative_to(artifacts.folder))]
    artifacts.remove(found)
    assert artifacts.abandoned("datasets") == []


def test_a_draft_that_is_not_kept_leaves_nothing_behind(artifacts: Artifacts, tmp_path: Path) -> None:
    with artifacts.draft("datasets/mine", "file") as draft:
        draft.file.write(b"x")
    assert not list(artifacts.folder.rglob("*mine*"))
    with suppress(KeyError), artifacts.draft("datasets/mine", "file") as draft:
        draft.file.write(b"x")
        raise KeyError
    assert files(artifacts) == []
    with artifacts.draft("datasets/mine", "file") as draft:
        draft.file.write(b"x")
        kept = draft.keep()
    assert artifacts.read(kept.key, kept.sha256) == b"x"


def test_removing_what_is_gone_is_no_error(artifacts: Artifacts) -> None:
    file = artifacts.write("jobs/1", "last", b"x")
    artifacts.remove([file.key, file.key])
    artifacts.remove_all("jobs/1")
    artifacts.remove_all("jobs/1")
    assert files(artifacts) == []
