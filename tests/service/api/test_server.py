"""The API as a program of its own, in one process and in several."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.running import alive, answers, serving
from tests.waiting import wait_until


def children(pid: int) -> set[int]:
    """Give the processes that serve, of those that a process has started."""
    found = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    lines = (line.split(maxsplit=2) for line in found.splitlines()[1:])
    return {int(child) for child, parent, command in lines if int(parent) == pid and "spawn_main" in command}


def two_children(pid: int) -> set[int]:
    wait_until(lambda: len(children(pid)) == 2, timeout=30, what="two processes to serve")
    return children(pid)


def test_several_processes_serve_and_end_with_the_first(tmp_path: Path) -> None:
    with serving(tmp_path, processes=2) as (_, process):
        serve = two_children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert alive(serve) == set()


def test_a_serving_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, processes=2) as (url, process):
        before = two_children(process.pid)
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: len(children(process.pid) - before) == 1, timeout=30, what="a successor")
        wait_until(lambda: answers(url), timeout=30, what="an answer")


def test_serving_processes_do_not_outlive_a_first_one_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, processes=2) as (_, process):
        serve = two_children(process.pid)
        process.kill()
        process.wait()
        if sys.platform == "linux":  # elsewhere nothing ties them
            wait_until(lambda: not alive(serve), timeout=20, what="both to die")


def test_one_process_is_the_program_itself_and_has_loaded_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    with serving(tmp_path, processes=1) as (_, process):
        assert children(process.pid) == set()
    script = (
        "import sys; from service.api.server import create; create(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'sklearn', 'matplotlib', 'pandas', 'scipy')))"
    )
    environment = {**os.environ, "TENFOLD_HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
