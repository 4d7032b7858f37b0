"""A file that was uploaded is read in a process of its own: ready whole, or told why not."""

import os
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.load import load_builtin
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.readings import MAX_FRUITLESS_READINGS
from service.store.store import Store
from tests.disks import small_disk
from tests.waiting import wait_until
from worker.datasets import load
from worker.readings.reading import read
from worker.readings.reserve import Reserve

OWNER = "host:1:token/1"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"poll_seconds": 0.02})


def csv(count: int = 30, corner: str = "0") -> bytes:
    """Give a file of digits, each with the same in its last corner."""
    digits = load_builtin("digits", Path())
    rows = np.column_stack([digits.labels, digits.values.reshape(-1, 784)])[:count]
    return "\n".join(",".join([*map(str, row[:-1]), corner]) for row in rows.tolist()).encode()


def sent(store: Store, artifacts: Artifacts, content: bytes) -> None:
    file = artifacts.write(owners.of_dataset("letters"), "file", content)
    assert store.datasets.add("letters", file, "letters.csv", {})[1]


def version(store: Store, name: str = "letters") -> Row:
    row = store.datasets.version(name, 1)
    assert row is not None
    return row


def double(tmp_path: Path, body: str) -> tuple[str, ...]:
    """Give the command of a child that does something else; `say` tells what it says."""
    script = tmp_path / "child.py"
    say = (
        "import json, os, sys, time\nsay = lambda what: os.write(int(sys.argv[1]), (json.dumps(what)+chr(10)).encode())"
    )
    script.write_text(f"{say}\nrequest = json.load(sys.stdin)\n{body}\n")
    return sys.executable, str(script)


def left(settings: Settings, artifacts: Artifacts, store: Store) -> list[str]:
    """List what is left over of readings."""
    half_read = [str(path) for path in (settings.home / "readings").rglob("*")]
    return half_read + [one.key for one in examine(store, artifacts, young_seconds=-1)]


def test_what_was_read_is_ready_with_its_arrays_its_picture_and_what_it_was_taken_for(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    sent(store, artifacts, csv())
    assert read(("default", "letters", 1), store, artifacts, settings, owner=OWNER)
    row = version(store)
    assert (row.state, row.examples, row.kind, row.owner) == ("ready", 30, "images", None)
    assert row.reading["examples"] == 30
    files = [file.name for file in store.files.of("datasets/letters/1")]
    assert files == ["file", "labels.npy", "marks.npy", "samples.png", "values.npy"]
    assert load("letters/1", store, artifacts, settings).digest == row.sha256 == row.description["sha256"]
    assert row.description["image_shape"] == [28, 28]
    assert left(settings, artifacts, store) == []
    assert not read(None, store, artifacts, settings, owner=OWNER), "nothing is left to read"


def test_what_is_wrong_with_a_file_is_told(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    sent(store, artifacts, csv(corner="ink"))
    read(None, store, artifacts, settings, owner=OWNER)
    row = version(store)
    assert row.state == "failed"
    assert set(row.faults[0]) == {"where", "detail", "remedy"}
    assert "ink" in row.faults[0]["detail"]
    assert [event.type for event in store.datasets.events("letters", 1)] == ["data.reading", "data.failed"]
    assert [file.name for file in store.files.of("datasets/letters/1")] == ["file"]
    assert left(settings, artifacts, store) == []


def test_what_one_reading_failed_of_is_nothing_to_the_next_in_a_process_that_stood_by(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    with closing(Reserve()) as reserve:
        for number, (content, state) in enumerate([(csv(corner="ink"), "failed"), (csv(), "ready")], 1):
            sent(store, artifacts, content)
            assert read(("default", "letters", number), store, artifacts, settings, owner=OWNER, reserve=reserve)
            row = store.datasets.version("letters", number)
            assert row is not None
            assert row.state == state
    assert left(settings, artifacts, store) == []


def test_what_is_built_in_is_looked_at_or_told_why_not(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.datasets.ask_for("digits")
    read(("default", "digits", 1), store, artifacts, settings, owner=OWNER)
    row = version(store, "digits")
    assert (row.state, row.examples, row.sha256) == ("ready", 1797, load_builtin("digits", settings.data).digest)
    assert [file.name for file in store.files.of("datasets/digits/1")] == ["samples.png"]
    store.datasets.ask_for("mnist")
    (settings.home / "none").write_bytes(b"no folder")
    nowhere = settings.model_copy(update={"data": settings.home / "none"})
    read(("default", "mnist", 1), store, artifacts, nowhere, owner=OWNER)
    row = version(store, "mnist")
    assert (row.state, row.faults[0]["where"]) == ("failed", "mnist")
    assert str(settings.home) not in str(row.faults), "where our files lie is nobody's business"


def test_a_child_that_is_killed_is_tried_five_times_and_then_told(
    store: Store, artifacts: Artifacts, settings: Settings, tmp_path: Path
) -> None:
    sent(store, artifacts, csv())
    dies = double(tmp_path, "os.kill(os.getpid(), 9)")
    for attempt in range(1, MAX_FRUITLESS_READINGS + 1):
        assert version(store).state == "reading"
        assert read(None, store, artifacts, settings, owner=OWNER, command=dies), attempt
    row = version(store)
    assert row.state == "failed"
    assert row.faults[0]["detail"] == "the process that reads it was killed by SIGKILL, 5 times in a row"
    assert "more memory" in row.faults[0]["remedy"]
    assert left(settings, artifacts, store) == []


def test_a_file_that_needs_more_memory_than_there_is_is_refused_with_the_setting(
    store: Store, artifacts: Artifacts, settings: Settings, tmp_path: Path
) -> None:
    sent(store, artifacts, csv())
    greedy = double(
        tmp_path,
        "from service.processes import reader as child\n"
        "child.read = lambda *_: bytearray(10 * request['memory'])\n"
        "import io; sys.stdin = io.StringIO(json.dumps(request))\n"
        "child.main(os.fdopen(int(sys.argv[1]), 'w'))",
    )
    read(None, store, artifacts, settings, owner=OWNER, command=greedy)
    row = version(store)
    assert row.state == "failed"
    assert row.faults[0]["detail"] == f"reading it takes more than {settings.reading_memory_bytes:,} bytes of memory"
    assert "TENFOLD_READING_MEMORY_BYTES" in row.faults[0]["remedy"]


SLEEPS = "say({'progress': {'bytes': 5, 'rows': 1}}); time.sleep(600)"


@pytest.mark.parametrize("how", ["cancelled", "drained", "deleted"])
def test_a_reading_stops_when_it_is_asked_to_and_its_process_with_it(
    store: Store, artifacts: Artifacts, settings: Settings, tmp_path: Path, how: str
) -> None:
    sent(store, artifacts, csv())
    store.workers.seen("host:1:token", "readings", slots=0)
    sleeps = double(tmp_path, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{SLEEPS}")
    thread = threading.Thread(
        target=lambda: read(None, store, artifacts, settings, owner=OWNER, command=sleeps), daemon=True
    )
    thread.start()
    wait_until((tmp_path / "pid").exists, timeout=30, what="the child")
    wait_until(lambda: version(store).progress["rows"] == 1, timeout=30, what="its progress")
    if how == "cancelled":
        store.datasets.cancel("letters", 1)
    elif how == "drained":
        store.workers.drain("host:1:token")
    else:
        artifacts.remove(store.datasets.delete("letters") or ())
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGCONT)
    row = store.datasets.version("letters", 1)
    expected: Any = {"cancelled": "cancelled", "drained": "reading", "deleted": None}[how]
    assert (row and row.state) == expected
    assert row is None or (row.owner, row.fruitless_attempts) == (None, 0)
    assert left(settings, artifacts, store) == []


def test_a_reading_that_fills_the_disk_is_stopped_and_told(
    store: Store, artifacts: Artifacts, settings: Settings, tmp_path: Path
) -> None:
    sent(store, artifacts, csv())
    writes = "open(request['folder'] + '/values.npy', 'wb').write(bytes(1_500_000))"
    grows = double(tmp_path, f"import signal\n{writes}\nsignal.pause()")
    with small_disk(tmp_path / "disk") as home:
        small = settings.model_copy(update={"home": home, "disk_floor_bytes": 2**20})
        assert read(None, store, artifacts, small, owner=OWNER, command=grows)
        row = version(store)
        assert (row.state, row.owner, row.fruitless_attempts) == ("reading", None, 1)
        assert "the disk of the files has" in row.faults[0]["detail"]
        assert left(small, artifacts, store) == []
