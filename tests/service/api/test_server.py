"""The API as a program of its own, in one process and in several."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.records import succeeded
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
        "heavy = ('torch', 'sklearn', 'matplotlib', 'pandas', 'scipy', 'pyarrow'); "
        "sys.exit(sum(name in sys.modules for name in heavy))"
    )
    environment = {**os.environ, "TENFOLD_HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_those_who_do_not_read_their_files_leave_others_what_they_need(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ExitStack() as open_now:
        url, _ = open_now.enter_context(serving(tmp_path, processes=1, files=256))
        store = Store.open(settings).of(DEFAULT)
        with closing(store.database):
            job_id = succeeded(store, Artifacts(settings.artifacts), hidden_sizes=(1000, 1000))
        told = []
        for _ in range(100):
            connection = open_now.enter_context(socket.socket())
            connection.settimeout(30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", urlsplit(url).port))
            connection.sendall(b"GET /jobs/%b/checkpoints/best.safetensors HTTP/1.1\r\n" % job_id.encode())
            connection.sendall(b"Host: localhost\r\n\r\n")
            told.append(connection.recv(12))
        assert set(told) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert told.count(b"HTTP/1.1 200") >= 40
        assert all(answers(url) for _ in range(5))
