import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.processes.process import Lack, Program
from service.processes.supervisor import StartError, Supervisor, free_port

ROOT = Path(__file__).parents[3]

# What the programs run. Each leaves its process id as a line of the file it is given, when it is set up.
NOTE = "import os, signal, subprocess, sys, time; note = open(sys.argv[1], 'a', buffering=1)\n"
SIT = NOTE + "print(os.getpid(), file=note); signal.pause()"
DEAF = NOTE + "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), file=note)\nwhile True: signal.pause()"
LAST_WORDS = NOTE + (
    "def stop(*_): open(sys.argv[2], 'a').write(sys.argv[3] + '\\n'); {then}\n"
    "signal.signal(signal.SIGTERM, stop); print(os.getpid(), file=note)\n"
    "while True: signal.pause()"
)
POLITE = LAST_WORDS.format(then="sys.exit()")
STUBBORN = LAST_WORDS.format(then="pass")
CRASH_ON_CUE = NOTE + (
    "print(os.getpid(), file=note)\nwhile not os.path.exists(sys.argv[2]): time.sleep(0.01)\nsys.exit(3)"
)
PARENT = NOTE + "subprocess.Popen(sys.argv[2:]); print(os.getpid(), file=note); signal.pause()"


def python(source: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", source, *map(str, arguments)]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def program(source: str, note: Path, *arguments: object, stop_seconds: float = 30.0) -> Program:
    return Program(
        note.name, python(source, note, *arguments), is_ready=lambda: bool(lines(note)), stop_seconds=stop_seconds
    )


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: str | int) -> bool:
    try:
        os.kill(int(pid), 0)
        # An orphan stays a zombie where nobody reaps; it is as dead as can be.
        return sys.platform != "linux" or ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@contextmanager
def another_process(function: Callable[[Path], None], folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    program = f"import pathlib, {__name__} as here; here.{function.__name__}(pathlib.Path({str(folder)!r}))"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as process:
        try:
            yield process
            process.wait(30)
        finally:
            process.kill()


def pauses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition("comes back in ")[2] for record in caplog.records]


def test_a_part_starts_when_the_one_before_is_ready(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    polls = iter(range(5))

    def ready_at_last() -> bool:
        if next(polls, None) is None:
            ready.touch()
        return ready.exists()

    first = Program("first", python(SIT, tmp_path / "first"), is_ready=ready_at_last)
    second = program(NOTE + "print(os.path.exists(sys.argv[2]), file=note); signal.pause()", tmp_path / "second", ready)
    with Supervisor([first, second], tmp_path / "logs"):
        assert lines(tmp_path / "second") == ["True"]


def test_a_part_leads_its_own_session_and_sees_its_environment(tmp_path: Path) -> None:
    note = tmp_path / "note"
    source = NOTE + "print(os.getsid(0) == os.getpid(), os.environ['COLOUR'], file=note); signal.pause()"
    painter = Program("painter", python(source, note), lambda: bool(lines(note)), environment={"COLOUR": "red"})
    with Supervisor([painter], tmp_path / "logs"):
        assert lines(note) == ["True red"]


def test_a_killed_part_comes_back_and_the_others_run_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    victim, other = tmp_path / "victim", tmp_path / "other"
    with Supervisor([program(SIT, victim), program(SIT, other)], tmp_path / "logs", first_pause=0.01):
        os.kill(int(lines(victim)[0]), signal.SIGKILL)
        eventually(lambda: len(lines(victim)) == 2)
        assert is_alive(lines(victim)[1])
        assert is_alive(lines(other)[0])
        assert len(lines(other)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "victim died: signal 9 (Killed); it comes back in 0.01 s"
    ]


def test_the_pause_doubles_up_to_the_longest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    crashing = program(CRASH_ON_CUE, tmp_path / "crashing", tmp_path / "cue")
    with Supervisor([crashing], tmp_path / "logs", first_pause=0.01, longest_pause=0.05):
        (tmp_path / "cue").touch()
        eventually(lambda: len(pauses(caplog)) >= 5)
    assert pauses(caplog)[:5] == ["0.01 s", "0.02 s", "0.04 s", "0.05 s", "0.05 s"]
    assert "exit code 3" in caplog.text


def test_a_part_that_had_settled_comes_back_after_the_first_pause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crashing = program(CRASH_ON_CUE, tmp_path / "crashing", tmp_path / "cue")
    with Supervisor([crashing], tmp_path / "logs", first_pause=0.01, settled_seconds=0):
        (tmp_path / "cue").touch()
        eventually(lambda: len(pauses(caplog)) >= 3)
    assert set(pauses(caplog)) == {"0.01 s"}


def test_a_part_that_cannot_be_spawned_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note, log = tmp_path / "note", tmp_path / "logs" / "note.log"
    with Supervisor([program(SIT, note)], tmp_path / "logs", first_pause=0.01):
        log.unlink()
        log.mkdir()
        os.kill(int(lines(note)[0]), signal.SIGKILL)
        eventually(lambda: "could not start" in caplog.text)
        log.rmdir()
        eventually(lambda: len(lines(note)) == 2)


def test_parts_stop_in_reverse_order(tmp_path: Path) -> None:
    names = ["broker", "server", "worker"]
    with Supervisor([program(POLITE, tmp_path / name, tmp_path / "end", name) for name in names], tmp_path / "logs"):
        pass
    assert lines(tmp_path / "end") == ["worker", "server", "broker"]


def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Supervisor([program(DEAF, tmp_path / "deaf", stop_seconds=0.1)], tmp_path / "logs"):
        assert is_alive(lines(tmp_path / "deaf")[0])
    assert not is_alive(lines(tmp_path / "deaf")[0])


def test_sigterm_spares_the_children_of_a_part_and_sigkill_does_not(tmp_path: Path) -> None:
    child, end = tmp_path / "child", tmp_path / "end"
    family = program(PARENT, tmp_path / "family", *python(POLITE, child, end, "child"))
    with Supervisor([family], tmp_path / "logs"):
        eventually(lambda: lines(child))
    eventually(lambda: not is_alive(lines(child)[0]))
    assert lines(end) == []


def test_the_children_of_a_part_that_died_are_killed(tmp_path: Path) -> None:
    child = tmp_path / "child"
    family = program(PARENT, tmp_path / "family", *python(SIT, child))
    with Supervisor([family], tmp_path / "logs", first_pause=0.01):
        eventually(lambda: lines(child))
        os.kill(int(lines(tmp_path / "family")[0]), signal.SIGKILL)
        eventually(lambda: not is_alive(lines(child)[0]))
        eventually(lambda: len(lines(child)) == 2)
    eventually(lambda: not is_alive(lines(child)[1]))


@pytest.mark.parametrize(("written", "shown"), [(2, 2), (100, 20)])
def test_a_part_that_never_gets_ready_is_reported_with_the_last_lines_of_its_own_log(
    tmp_path: Path, written: int, shown: int
) -> None:
    log = tmp_path / "slow.log"
    log.write_text("a line of an earlier run\n")

    def never() -> bool:
        eventually(lambda: lines(log)[-1] == f"line {written}")
        return False

    source = f"import signal\nfor i in range({written}): print('line', i + 1, flush=True)\nsignal.pause()"
    tail = "\n".join(f"line {i + 1}" for i in range(written - shown, written))
    with (
        pytest.raises(StartError, match=f"^slow was not ready within 0 s\n{log} ends with:\n{tail}$"),
        Supervisor([Program("slow", python(source), is_ready=never)], tmp_path, ready_seconds=0),
    ):
        pytest.fail("a program that is not ready must not be passed")


def test_who_is_not_ready_says_what_it_lacks_and_shows_the_log_of_who_is_to_blame(tmp_path: Path) -> None:
    source = "import signal; print('no such device', flush=True); signal.pause()"
    log = tmp_path / "worker.log"

    def said() -> bool:
        eventually(lambda: lines(log))
        return True

    worker = Program("worker", python(source), is_ready=said)
    api = Program(
        "api",
        python("import signal; signal.pause()"),
        is_ready=lambda: False,
        lacks=lambda: Lack("/readyz lacks a worker", "worker"),
    )
    with (
        pytest.raises(
            StartError,
            match=f"^api was not ready within 0 s: /readyz lacks a worker\n{log} ends with:\nno such device$",
        ),
        Supervisor([worker, api], tmp_path, ready_seconds=0.0),
    ):
        pytest.fail("a program that is not ready must not be passed")


def test_a_part_that_dies_before_it_is_ready_is_reported_and_the_others_are_stopped(tmp_path: Path) -> None:
    first = program(SIT, tmp_path / "first")
    broken = Program("broken", python("import sys; sys.exit('no such option')"), is_ready=lambda: False)
    with (
        pytest.raises(StartError, match=r"(?s)broken died before it was ready: exit code 1.*no such option"),
        Supervisor([first, broken], tmp_path / "logs"),
    ):
        pytest.fail("a program that died must not be passed")
    assert not is_alive(lines(tmp_path / "first")[0])


def test_a_program_that_does_not_exist_is_reported_by_name(tmp_path: Path) -> None:
    missing = Program("missing", ["no-such-program"], is_ready=lambda: False)
    with (
        pytest.raises(StartError, match=r"cannot start no-such-program: .*No such file"),
        Supervisor([missing], tmp_path),
    ):
        pytest.fail("a program that does not exist must not be passed")


@pytest.mark.parametrize(("number", "interruption"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_interrupts_the_body_and_stops_the_programs(
    tmp_path: Path, number: signal.Signals, interruption: type[BaseException]
) -> None:
    def interrupt() -> None:
        with Supervisor([program(POLITE, tmp_path / "program", tmp_path / "end", "stopped")], tmp_path / "logs"):
            signal.raise_signal(number)
            pytest.fail("the signal must interrupt the body")

    before = signal.getsignal(number)
    with pytest.raises(interruption):
        interrupt()
    assert lines(tmp_path / "end") == ["stopped"]
    assert signal.getsignal(number) == before


def test_a_signal_during_the_start_stops_what_was_started(tmp_path: Path) -> None:
    def ask_to_stop() -> bool:
        if lines(tmp_path / "second"):
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    first = program(POLITE, tmp_path / "first", tmp_path / "end", "first")
    second = Program("second", python(SIT, tmp_path / "second"), is_ready=ask_to_stop)
    with pytest.raises(SystemExit, match="143"), Supervisor([first, second], tmp_path / "logs"):
        pytest.fail("the signal must end the start")
    assert lines(tmp_path / "end") == ["first"]
    assert not is_alive(lines(tmp_path / "second")[0])


def test_a_signal_does_not_wait_for_what_comes_before_a_start(tmp_path: Path) -> None:
    silent = threading.Event()

    def keep_silent() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        silent.wait(60)

    first = program(POLITE, tmp_path / "first", tmp_path / "end", "first")
    second = Program("second", python(SIT, tmp_path / "second"), is_ready=lambda: True, before=keep_silent)
    began = time.monotonic()
    with pytest.raises(SystemExit, match="143"), Supervisor([first, second], tmp_path / "logs"):
        pytest.fail("the signal must end the start")
    silent.set()
    assert time.monotonic() - began < 50
    assert lines(tmp_path / "end") == ["first"]
    assert not lines(tmp_path / "second")


def test_what_is_wrong_before_a_start_is_raised_and_the_others_are_stopped(tmp_path: Path) -> None:
    def refuse() -> None:
        raise StartError("there is no database")

    first = program(SIT, tmp_path / "first")
    second = Program("second", python(SIT, tmp_path / "second"), is_ready=lambda: True, before=refuse)
    with pytest.raises(StartError, match="there is no database"), Supervisor([first, second], tmp_path / "logs"):
        pytest.fail("what cannot work must not be started")
    assert not is_alive(lines(tmp_path / "first")[0])
    assert not lines(tmp_path / "second")


def watch_a_polite_program(folder: Path) -> None:
    with Supervisor([program(POLITE, folder / "program", folder / "end", "stopped")], folder / "logs") as supervisor:
        supervisor.watch()


def test_a_signal_ends_the_watch_when_the_parts_have_stopped(tmp_path: Path) -> None:
    with another_process(watch_a_polite_program, tmp_path) as supervisor:
        eventually(lambda: lines(tmp_path / "program"))
        supervisor.terminate()
    assert supervisor.returncode in (0, 143)  # 143 if it came just before the watch
    assert lines(tmp_path / "end") == ["stopped"]
    assert not is_alive(lines(tmp_path / "program")[0])


def watch_a_stubborn_program(folder: Path) -> None:
    stubborn = program(STUBBORN, folder / "program", folder / "end", "asked to stop", stop_seconds=3600)
    with Supervisor([stubborn], folder / "logs") as supervisor:
        supervisor.watch()


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    with another_process(watch_a_stubborn_program, tmp_path) as supervisor:
        eventually(lambda: lines(tmp_path / "program"))
        supervisor.terminate()
        eventually(lambda: lines(tmp_path / "end"))
        assert is_alive(lines(tmp_path / "program")[0])
        supervisor.terminate()
    assert not is_alive(lines(tmp_path / "program")[0])


def watch_a_family(folder: Path) -> None:
    tether = [sys.executable, ROOT / "service" / "processes" / "tether.py"]
    source = PARENT.replace("sys.argv[2:]", "[*sys.argv[2:4], str(os.getpid()), *sys.argv[4:]]")
    family = program(source, folder / "family", *tether, *python(DEAF, folder / "child"))
    with Supervisor([program(DEAF, folder / "deaf"), family], folder / "logs") as supervisor:
        supervisor.watch()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_a_supervisor_killed_outright_leaves_no_tethered_process_behind(tmp_path: Path) -> None:
    notes = [tmp_path / "deaf", tmp_path / "family", tmp_path / "child"]
    with another_process(watch_a_family, tmp_path) as supervisor:
        eventually(lambda: all(map(lines, notes)))
        supervisor.kill()
    eventually(lambda: not any(is_alive(lines(note)[0]) for note in notes))


def test_a_command_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    command = ["-m", "service.processes.tether", str(os.getppid()), "touch", str(tmp_path / "started")]
    outcome = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert "cannot start touch" in outcome.stderr
    assert not (tmp_path / "started").exists()


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    note, log = tmp_path / "note", tmp_path / "logs" / "note.log"
    log.parent.mkdir()
    log.write_text("before\n")
    source = NOTE + "print('out', flush=True); print('err', file=sys.stderr); print('said', file=note); signal.pause()"
    with Supervisor([program(source, note)], tmp_path / "logs"):
        assert lines(log) == ["before", "out", "err"]


def test_without_a_log_folder_the_output_is_the_supervisors_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = NOTE + "print('out', flush=True); print('err', file=sys.stderr); print('said', file=note); signal.pause()"
    with Supervisor([program(source, tmp_path / "note")], log_folder=None):
        assert capfd.readouterr() == ("out\n", "err\n")


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
