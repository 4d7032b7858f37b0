"""One process: its log is bounded while it runs, and it leaves no core."""

import sys
from pathlib import Path

import pytest

from service.processes import process
from service.processes.process import Program
from service.processes.supervisor import StartError, Supervisor
from tests.waiting import wait_until

TALK = "import itertools, time\nfor number in itertools.count(): print(f'{number:0100}', flush=True); time.sleep(1e-4)"


def program(name: str, source: str) -> Program:
    return Program(name, [sys.executable, "-I", "-S", "-c", source], is_ready=lambda: True)


def test_the_log_of_a_program_that_talks_on_is_put_aside_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_BYTES", 10_000)
    monkeypatch.setattr("service.processes.supervisor.LOOK_SECONDS", 0.0)
    log, aside = tmp_path / "talker.log", tmp_path / "talker.log.1"
    (tmp_path / "talker.log").write_bytes(b"0" * 50_000)
    with Supervisor([program("talker", TALK)], tmp_path):
        wait_until(lambda: int(aside.read_text()[-101:] or 0) > 1000, timeout=30, what="the third log")
    assert 10_000 <= aside.stat().st_size < 40_000, "of one that has grown longer between two looks, the end is kept"
    assert log.stat().st_size < 50_000
    numbers = [int(line) for line in log.read_text().splitlines()]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "no line is torn, and none is filled with zeros"


def test_a_log_that_has_not_grown_too_long_stays(tmp_path: Path) -> None:
    (tmp_path / "quiet.log").write_text("before\n")
    with Supervisor([program("quiet", "import signal; signal.pause()")], tmp_path):
        pass
    assert (tmp_path / "quiet.log").read_text() == "before\n"
    assert not (tmp_path / "quiet.log.1").exists()


def test_no_program_leaves_a_core(tmp_path: Path) -> None:
    source = "import resource, signal; print(resource.getrlimit(resource.RLIMIT_CORE), flush=True); signal.pause()"
    with Supervisor([program("crasher", source)], tmp_path):
        wait_until(lambda: (tmp_path / "crasher.log").read_text() == "(0, 0)\n", timeout=30, what="its limit")


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "quiet.log").mkdir()
    with (
        pytest.raises(StartError, match=r"quiet could not start: .*Is a directory"),
        Supervisor([program("quiet", "")], tmp_path),
    ):
        pytest.fail("a program without its log must not be passed")
