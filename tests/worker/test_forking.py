"""Training processes are forked from a server that has torch: what they inherit, and that they compute as others do."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from billiard import context, forkserver

from models.compiled import library
from tests.waiting import wait_until
from worker import fork_server, forking, launch

pytestmark = pytest.mark.skipif(not launch.FORKS, reason="children are spawned here")

FORKS = context.ForkServerContext()


@pytest.fixture(scope="module")
def server() -> Iterator["subprocess.Popen[bytes]"]:
    assert launch.server().can_fork()
    forking.fork()
    running = launch.server().program
    yield running
    known = forkserver._forkserver  # type: ignore[attr-defined]
    os.close(known._forkserver_alive_fd)
    known._forkserver_alive_fd = None
    assert running.wait(timeout=30) == 0, "it ends with the last of those that could ask it for a process"


def tell(answer: Callable[[], Any], pipe: Any) -> None:
    with closing(pipe):
        pipe.send(answer())


def asked(answer: Callable[[], Any]) -> Any:
    """Let a forked process answer."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=tell, args=(answer, theirs), daemon=True)
    process.start()
    theirs.close()
    assert ours.poll(60), "the forked process hangs"
    told = ours.recv()
    process.join(10)
    return told


def circumstances() -> tuple[int, int, bool, list[str]]:
    descriptors = [Path(f"/dev/fd/{number}") for number in range(64) if Path(f"/dev/fd/{number}").exists()]
    return (
        os.getppid(),
        sum(1 for _ in Path("/proc/self/task").iterdir()),
        {"worker.train.run", "torch"} <= set(sys.modules),
        [name for name in (str(link.readlink()) for link in descriptors) if "socket" in name or "sqlite" in name],
    )


def products() -> bytes:
    torch.set_num_threads(1)
    a, b = torch.linspace(-1, 1, 300 * 300).reshape(2, 150, 300)
    return bytes((a @ b.T).numpy().tobytes() + np.matmul(a.numpy(), b.numpy().T).tobytes())


def products_by_two_threads() -> int:
    torch.set_num_threads(2)
    a = torch.ones(700, 700, dtype=torch.float64)
    return int((a @ a).sum()) + int(torch.exp(torch.zeros(400_000)).sum())


def test_a_process_begins_with_torch_and_one_thread_and_without_anybodys_connections(
    server: "subprocess.Popen[bytes]",
) -> None:
    assert asked(circumstances) == (server.pid, 1, True, [])


def test_a_forked_process_computes_the_bits_of_any_other(server: "subprocess.Popen[bytes]") -> None:
    before = torch.get_num_threads()
    here = products()
    torch.set_num_threads(before)
    assert asked(products) == here


def test_a_forked_process_may_use_two_threads(server: "subprocess.Popen[bytes]") -> None:
    assert asked(products_by_two_threads) == 700**3 + 400_000


def test_a_process_that_is_killed_costs_the_next_one_nothing(server: "subprocess.Popen[bytes]") -> None:
    victim = FORKS.Process(target=signal.pause, daemon=True)
    victim.start()
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(10)
    assert not victim.is_alive()
    wait_until(lambda: not Path(f"/proc/{victim.pid}").exists(), timeout=10, what="nothing to be left of it")
    assert asked(os.getppid) == server.pid


def test_the_server_outlasts_a_signal_that_is_for_all(server: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        server.send_signal(number)
    assert asked(os.getppid) == server.pid


def test_it_is_told_once_that_nothing_was_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    library.use(compiled=False)
    try:
        fork_server.tell_what_lacks()
    finally:
        library.use(compiled=True)
    assert "install a C compiler" in capsys.readouterr().err
    if library.is_used():
        fork_server.tell_what_lacks()
        assert not capsys.readouterr().err


def test_a_server_that_has_threads_tells_the_cause_and_ends_as_one_that_would_again(tmp_path: Path) -> None:
    # As an allocator that is loaded into every program: a thread that waits for ever.
    (tmp_path / "sitecustomize.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(launch.__file__).parent.parent)])
    ended = subprocess.run(
        [sys.executable, "-m", "worker.fork_server", str(os.getpid()), "0", "0", "0"],
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "LD_PRELOAD": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == launch.CANNOT_FORK
    assert "cannot be forked: 2 threads run where one may" in ended.stderr
