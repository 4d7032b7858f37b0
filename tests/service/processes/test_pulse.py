"""A program that is frozen is replaced; one that sleeps, starts or is busy is not."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from service.processes import programs, pulse, supervisor
from service.processes.process import Lack, Process, Program
from service.processes.pulse import Pulse
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings
from tests.waiting import wait_until

SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hang": self.server.socket.close(); time.sleep(3600)
        self.send_response(200); self.end_headers()
    def log_message(self, *_): print("asked", flush=True)
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(os.getpid(), flush=True)
server.serve_forever()
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(pulse, "SILENT_LOOKS", 20)


@contextmanager
def run(program: Program, folder: Path) -> Iterator[Path]:
    with Supervisor([program], folder, first_pause=0.01):
        yield folder / f"{program.name}.log"


def pids(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().splitlines() if line != "asked"]


def server(settings: Settings) -> Program:
    answers = partial(programs._answers, settings, "/livez", seconds=0.05)
    command = [sys.executable, "-I", "-c", SERVER, str(settings.port)]
    return Program("server", command, is_ready=answers, answers=answers)


def sitting() -> Program:
    source = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    return Program("sitting", [sys.executable, "-I", "-c", source], is_ready=lambda: True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process was stopped")
@pytest.mark.usefixtures("quick")
def test_the_api_is_replaced_when_it_was_stopped(
    tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=tmp_path, database_url=sqlite_url, port=free_port())
    livez = partial(programs._answers, settings, "/livez", seconds=5)
    assert programs.api(settings).answers is not None
    with run(replace(programs.api(settings), is_ready=livez), tmp_path) as log:
        first = int(log.read_text().partition("Started server process [")[2].partition("]")[0])
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: "was killed" in caplog.text, timeout=30, what="the API to be killed")
        wait_until(livez, timeout=60, what="its successor")
        lacks = programs.api(settings).lacks
        assert lacks is not None
        assert lacks() == Lack("/readyz lacks the broker and a worker for training", "broker")
    assert "api was stopped for 10 s and was killed; it comes back in 0.01 s" in caplog.text


@pytest.mark.usefixtures("quick")
def test_a_server_that_runs_and_does_not_answer_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(home=tmp_path, port=free_port())
    with run(server(settings), tmp_path) as log:
        wait_until(lambda: log.read_text().count("asked") > 3, timeout=30, what="it to be asked")
        programs._answers(settings, "/hang", seconds=0.05)
        wait_until(lambda: len(pids(log)) == 2, timeout=30, what="its successor")
    assert "server did not answer for 20 s and was killed" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process was stopped")
@pytest.mark.usefixtures("quick")
def test_a_program_that_nobody_can_ask_is_replaced_when_it_was_stopped(tmp_path: Path) -> None:
    with run(sitting(), tmp_path) as log:
        wait_until(lambda: log.read_text(), timeout=30, what="its number")
        os.kill(pids(log)[0], signal.SIGSTOP)
        wait_until(lambda: len(pids(log)) == 2, timeout=30, what="its successor")


@contextmanager
def looked_at(program: Program) -> Iterator[tuple[Pulse, Process]]:
    process = Process(program, log=None)
    process.spawn()
    seen = Pulse(process)
    try:
        yield seen, process
    finally:
        seen.close()
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process was stopped")
def test_who_was_stopped_and_goes_on_is_forgiven(capfd: pytest.CaptureFixture[str]) -> None:
    with looked_at(sitting()) as (seen, process):
        assert process.popen is not None
        for _ in range(2):  # looks are counted anew
            process.popen.send_signal(signal.SIGSTOP)
            wait_until(process.is_stopped, timeout=30, what="it to be stopped")
            assert [seen.look() for _ in range(pulse.STOPPED_LOOKS)] == [None] * pulse.STOPPED_LOOKS
            process.popen.send_signal(signal.SIGCONT)
            wait_until(lambda: not process.is_stopped(), timeout=30, what="it to go on")
            assert seen.look() is None


def silent(answers: list[bool]) -> Program:
    return replace(sitting(), answers=lambda: answers.pop(0) if answers else False)


def look_until_answered(seen: Pulse, answers: list[bool], count: int) -> list[str | None]:
    """Look so often that each answer has been heard."""
    looks: list[str | None] = []
    while len(looks) < count:
        if seen._asked is not None:
            seen._asked.exception()  # wait for it
        looks.append(seen.look())
    return looks


def test_who_has_never_answered_is_still_starting(capfd: pytest.CaptureFixture[str]) -> None:
    with looked_at(silent([])) as (seen, _):
        assert set(look_until_answered(seen, [], 10 * pulse.SILENT_LOOKS)) == {None}


def test_an_answer_makes_up_for_all_silence_before(capfd: pytest.CaptureFixture[str]) -> None:
    answers = [True, *[False] * (pulse.SILENT_LOOKS - 1), True]
    with looked_at(silent(answers)) as (seen, _):
        looks = look_until_answered(seen, answers, 3 * pulse.SILENT_LOOKS)
    assert looks.index("did not answer for 30 s") == 2 * pulse.SILENT_LOOKS + 2


def test_a_machine_that_slept_has_looked_once_and_blames_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    # However long the time between two looks: what was asked before it, and was lost with it, is one look.
    with looked_at(silent([True, False])) as (seen, _):
        assert set(look_until_answered(seen, [], pulse.SILENT_LOOKS)) == {None}


def test_what_goes_wrong_with_asking_is_no_answer_and_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> bool:
        raise ValueError("no such thing")

    with looked_at(replace(sitting(), answers=broken)) as (seen, _):
        assert look_until_answered(seen, [], 3) == [None] * 3
