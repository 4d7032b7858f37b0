"""Slots, shared among real processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.waiting import wait_until
from worker.slots import Slots

HOLDS = """
import sys
from pathlib import Path
from worker.slots import Slots
with Slots(Path(sys.argv[1]), int(sys.argv[2])).one():
    print("holds", flush=True)
    sys.stdin.read()
"""
MEASURES = """
import os, sys
from pathlib import Path
from worker.slots import Slots
def measure():
    with open(sys.argv[1] + ".measured", "a") as file:
        file.write("x")
    return os.getpid()
print(Slots(Path(sys.argv[1]), 1).agree(measure))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "slots"
    file.touch()
    return file


@contextmanager
def holder(file: Path, count: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", HOLDS, str(file), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def holds(process: "subprocess.Popen[bytes]") -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == b"holds\n"


def test_so_many_hold_a_slot_and_the_next_gets_that_of_one_that_is_killed(file: Path) -> None:
    with ExitStack() as opened:
        first, second = (opened.enter_context(holder(file, 2)) for _ in range(2))
        assert holds(first)
        assert holds(second)
        third = opened.enter_context(holder(file, 2))
        assert third.stdout is not None
        with pytest.raises(subprocess.TimeoutExpired):
            third.wait(timeout=0.5)
        first.kill()
        assert holds(third)


def test_a_slot_is_free_again_when_its_holder_is_done(file: Path) -> None:
    slots = Slots(file, 1)
    with slots.one():
        pass
    with holder(file, 1) as other:
        assert holds(other)
        assert other.stdin is not None
        other.stdin.close()
        wait_until(lambda: other.poll() == 0, timeout=10, what="the holder to end")
    with slots.one():
        pass


def test_one_process_measures_and_all_agree(file: Path) -> None:
    command = [sys.executable, "-c", MEASURES, str(file)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {process.communicate(timeout=30)[0] for process in processes}
    assert len(told) == 1
    assert file.with_suffix(".measured").read_text() == "x"


def test_what_a_process_that_died_did_not_measure_the_next_one_does(file: Path) -> None:
    def fail() -> int:
        raise MemoryError

    with pytest.raises(MemoryError):
        Slots(file, 1).agree(fail)
    assert Slots(file, 1).agree(lambda: 8) == 8
    assert Slots(file, 1).agree(fail) == 8


def test_a_temporary_folder_that_is_tidied_up_stops_nobody(file: Path) -> None:
    slots = Slots(file, 1)
    file.unlink()
    with slots.one():
        pass
    file.unlink()
    assert slots.agree(lambda: 4) == 4
