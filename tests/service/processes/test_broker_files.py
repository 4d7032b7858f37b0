"""What the embedded broker cannot read is set aside, and it starts; nothing is deleted, and nothing else is blamed."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis

from service.processes import broker_files, programs
from service.processes.supervisor import StartError, Supervisor, free_port
from service.settings import Settings

PARTS = "appendonlydir"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a broker has kept a ring."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    with start(home, port), redis.Redis(port=port) as client:
        client.rpush("train", "a ring")
    return home / "broker"


def start(home: Path, port: int) -> Supervisor:
    settings = Settings(home=home, broker_url=f"redis://127.0.0.1:{port}/0")
    return Supervisor([programs.broker(settings, port)], home / "logs")


def of_kind(folder: Path, kind: str) -> Path:
    [path] = (folder / PARTS).glob(f"*.{kind}")
    return path


def an_empty_manifest(folder: Path) -> None:
    of_kind(folder, "manifest").write_bytes(b"")


def a_garbled_manifest(folder: Path) -> None:
    of_kind(folder, "manifest").write_bytes(b"file ../../etc/passwd seq x type q\n")


def a_snapshot_of_garbage(folder: Path) -> None:
    of_kind(folder, "rdb").write_bytes(b"garbage" * 100)


def a_snapshot_that_is_gone(folder: Path) -> None:
    of_kind(folder, "rdb").unlink()


def garbage_amid_what_was_appended(folder: Path) -> None:
    path = of_kind(folder, "aof")
    path.write_bytes(b"\x00garbage\r\n" + path.read_bytes())


def a_file_in_place_of_the_folder(folder: Path) -> None:
    (folder / PARTS).rename(folder / "kept")
    (folder / PARTS).write_bytes(b"mine")


@pytest.mark.parametrize(
    "spoil",
    [
        an_empty_manifest,
        a_garbled_manifest,
        a_snapshot_of_garbage,
        a_snapshot_that_is_gone,
        garbage_amid_what_was_appended,
        a_file_in_place_of_the_folder,
    ],
)
def test_what_cannot_be_read_is_set_aside_and_the_broker_starts(
    tmp_path: Path, written: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    home, port = tmp_path / "a home", free_port()
    folder, earlier = home / "broker", home / "broker-unreadable-1"
    copy(written, folder)
    earlier.mkdir()  # it happened before
    (folder / "notes of somebody.txt").write_text("mine")
    spoil(folder)
    before = contents(folder)
    with start(home, port), redis.Redis(port=port) as client:
        assert client.dbsize() == 0
    assert contents(home / "broker-unreadable-2") == before
    assert list(earlier.iterdir()) == []
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith(
        f"broker did not start; its files could not be read and lie in {home / 'broker-unreadable-2'}"
    )


def test_an_end_that_is_cut_off_costs_the_last_ring_alone(tmp_path: Path, written: Path) -> None:
    folder, port = tmp_path / "broker", free_port()
    copy(written, folder)
    path = of_kind(folder, "aof")
    path.write_bytes(path.read_bytes() + path.read_bytes()[:-5])
    with start(tmp_path, port), redis.Redis(port=port) as client:
        assert client.llen("train") == 1
    assert not list(tmp_path.glob("broker-unreadable*"))


def test_files_are_not_blamed_for_a_port_that_is_taken(tmp_path: Path, written: Path) -> None:
    copy(written, tmp_path / "broker")
    before = contents(tmp_path / "broker")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match="broker died before it was ready"), start(tmp_path, port):
            pytest.fail("a broker without a port must not be passed")
    assert contents(tmp_path / "broker") == before
    assert not list(tmp_path.glob("broker-*"))


def test_files_that_can_be_read_stay_where_they_are(tmp_path: Path, written: Path) -> None:
    copy(written, tmp_path / "broker")
    mend = partial(broker_files.mend, free_port())
    assert mend(tmp_path / "broker") is None
    assert mend(tmp_path / "nothing") is None
    assert [path.name for path in tmp_path.iterdir()] == ["broker"]


def copy(written: Path, folder: Path) -> None:
    for path in (written / PARTS).iterdir():
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        (folder / PARTS / path.name).write_bytes(path.read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
