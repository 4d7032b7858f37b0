"""Real processes, killed while a file is read: its version is ready once, whole, and learned from."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.data.reading.options import Options
from models.data.reading.read import read
from tests.models.data.reading.archives.made import folders, zipped
from tests.running import QUICK, Stack, programs, running_stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), {**QUICK, "TENFOLD_MAX_WAIT_SECONDS": "1"}) as stack:
        yield stack


ROWS = 20_000
"""So many that whoever is killed is killed in the middle."""
_MIDDLE = ",".join(["7"] * 781)


def rows(count: int, seed: int) -> bytes:
    """Give a file of so many rows, each class of which has ink of its own."""
    return "\n".join(f"{n % 10},{n % 10 * 25},{(n + seed) % 256},{_MIDDLE},0" for n in range(count)).encode()


def sent(stack: Stack, content: bytes, name: str = "letters") -> dict[str, Any]:
    answer = httpx.post(f"{stack.url}/datasets?name={name}", content=content, timeout=30)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def version(stack: Stack, number: int, name: str = "letters") -> dict[str, Any]:
    try:
        return dict(httpx.get(f"{stack.url}/datasets/{name}/versions/{number}", timeout=30).json())
    except httpx.TransportError:
        return {"state": "unknown"}


def ready(stack: Stack, number: int, name: str = "letters") -> dict[str, Any]:
    def settled() -> dict[str, Any] | None:
        seen = version(stack, number, name)
        assert seen["state"] not in {"failed", "cancelled"}, f"{seen}: {stack.logs()}"
        return seen if seen["state"] == "ready" else None

    return wait_until(settled, timeout=60, what=f"version {number} to be read: {stack.logs()}")


def child(stack: Stack) -> int:
    """Wait for the process that reads, and give its id; one that stands by has no file open."""

    def found() -> int | None:
        every = programs(stack.process.pid)
        readers = (pid for pid, command in every.items() if "-m service.processes.reader" in command)
        return next((pid for pid in readers if is_reading(pid)), None)

    def is_reading(pid: int) -> bool:
        with suppress(OSError):
            return any(str(stack.home) in str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir())
        return False

    return wait_until(found, timeout=60, what=f"a reading to begin: {stack.logs()}")


def test_who_reads_and_who_answers_may_be_killed_at_any_moment(stack: Stack, tmp_path: Path) -> None:
    content = rows(ROWS, seed=1)
    assert sent(stack, content)["version"] == 1
    child(stack)
    for victim in ("readings@", "service.cli api", "valkey-server"):
        os.kill(stack.program(victim), signal.SIGKILL)
    one = ready(stack, 1)
    assert (one["examples"], one["sha256"]) == (ROWS, digest(content, tmp_path))
    events = wait_until(lambda: told(stack, 1), timeout=30, what="the API")
    assert events == ["data.reading", "data.ready"]
    assert not list((stack.home / "readings").rglob("*.npy")), "what was half read is gone"
    job = stack.finish(stack.client.submit(dataset="letters", hidden_sizes=[16], epochs=2)["id"])
    assert (job["state"], job["spec"]["dataset"], job["spec"]["model"]) == ("succeeded", "letters/1", "letters")
    assert job["result"]["made_with"]["data_sha256"] == one["sha256"]


def digest(content: bytes, folder: Path) -> str:
    """Give the digest of what a reading comes to that nobody disturbs."""
    (folder / "file").write_bytes(content)
    return read(folder / "file", folder, Options(), progress=lambda _bytes, _rows: None).sha256


def told(stack: Stack, number: int) -> list[str]:
    try:
        page = httpx.get(f"{stack.url}/datasets/letters/versions/{number}/events", timeout=30).json()
    except httpx.TransportError:
        return []
    return [event["type"] for event in page["data"]]


def test_a_reading_that_is_cancelled_stops_and_leaves_nothing(stack: Stack) -> None:
    sent(stack, rows(ROWS, seed=99), "gone")
    reader = child(stack)
    httpx.post(f"{stack.url}/datasets/gone/versions/1/cancel", timeout=30).raise_for_status()
    wait_until(lambda: version(stack, 1, "gone")["state"] == "cancelled", timeout=30, what="the cancelled reading")
    wait_until(lambda: reader not in programs(stack.process.pid), timeout=30, what="the child to end")
    folder = Path(stack.home / "artifacts" / "datasets" / "gone" / "1")
    assert not folder.exists() or not list(folder.glob("*.npy"))


def test_a_zip_of_class_folders_is_read_and_learned_from(stack: Stack) -> None:
    files = folders("my pets/train/cat", "my pets/train/dog", each=40) | folders("my pets/test/dog", each=5, start=90)
    assert sent(stack, zipped({**files, "__MACOSX/my pets/._cat": b"\0\5"}), "pets")["version"] == 1
    one = ready(stack, 1, "pets")
    assert (one["kind"], one["examples"], one["schema"]["classes"]) == ("images", 85, ["cat", "dog"])
    assert one["reading"]["taken_for"]["split"] == {"folders": True, "train": 80, "validation": 0, "test": 5}
    job = stack.finish(stack.client.submit(dataset="pets", hidden_sizes=[8], epochs=1)["id"])
    assert (job["state"], job["spec"]["dataset"]) == ("succeeded", "pets/1")
    assert sent(stack, zipped({"../cat/1.png": b"x"}), "pets")["version"] == 2
    failed = wait_until(
        lambda: (seen := version(stack, 2, "pets"))["state"] == "failed" and seen, timeout=60, what="the refusal"
    )
    assert failed["faults"][0]["where"] == "member ../cat/1.png"
