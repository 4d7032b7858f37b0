"""Processes that stand by for requests: a few at a time, each within its time, and none left over."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from models.data.reading.excerpt import Extent
from service.errors import NotYet
from service.processes.standby import MOST, Standby, asked
from service.settings import Settings


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: nothing is put on record."""
    return sqlite_url


def test_there_are_a_few_at_a_time_and_another_once_one_has_ended(settings: Settings) -> None:
    async def all_at_once() -> None:
        standby = Standby(settings, (sys.executable, "-c", "import sys; sys.stdin.read()"))
        async with standby.process(), standby.process():
            assert MOST == 2
            with pytest.raises(NotYet, match="2 files are being previewed") as caught:
                async with standby.process():
                    pass
            assert caught.value.retry_after == 2
        async with standby.process() as (process, folder):
            assert folder.is_dir()
            number = process.number
        assert not folder.exists()
        assert not Path(f"/proc/{number}").exists()

    asyncio.run(all_at_once())


def test_one_that_takes_too_long_is_given_up_and_killed(settings: Settings) -> None:
    async def slow() -> None:
        standby = Standby(settings, (sys.executable, "-c", "import sys; sys.stdin.read()"))
        async with standby.process() as (process, _):
            number = process.number
            with pytest.raises(NotYet, match=r"more than 0\.01 seconds; upload it"):
                await asked(process, {}, 0.01)
        assert not Path(f"/proc/{number}").exists()

    asyncio.run(slow())


def test_one_that_cannot_be_started_holds_no_place(settings: Settings) -> None:
    (settings.home / "readings").write_bytes(b"no folder")

    async def never() -> None:
        standby = Standby(settings)
        for _ in range(MOST + 1):
            with pytest.raises(FileExistsError):
                async with standby.process():
                    pass

    asyncio.run(never())


def test_the_process_answers_one_request_after_the_other_and_what_needs_more_memory_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"a,label\n" + b"1.5,x\n2.5,y\n" * 20)

    async def twice() -> None:
        async with Standby(settings).process() as (process, folder):
            wanted: dict[str, Any] = {
                "file": str(tmp_path / "file"),
                "folder": str(folder),
                "name": None,
                "options": {},
            }
            bounded = {"extent": {"examples": 10, "bytes": 2**20}, "memory": 2**30}
            told = (await asked(process, wanted | bounded, 60))["found"]
            assert (told["examples"], told["excerpt"]["whole"]) == (10, False)
            told = (await asked(process, wanted | bounded | {"extent": vars(Extent())}, 60))["found"]
            assert (told["examples"], told["excerpt"]["whole"]) == (40, True)
            (tmp_path / "file").write_bytes(b"a,label\n" + b"1.5,x\n2.5,y\n" * 500_000)
            told = await asked(process, wanted | bounded | {"memory": 2**20}, 60)
            assert told["faults"][0]["detail"] == "reading it takes more than 1,048,576 bytes of memory"
            assert "POST /datasets" in told["faults"][0]["remedy"]

    asyncio.run(twice())
