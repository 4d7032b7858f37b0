"""The parts as a whole: the broker is replaced, the supervisor killed, everything stopped and started again."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.broker import embedded
from service.processes.supervisor import free_port
from tests.running import LONG, QUICK, alive, family, running_stack
from tests.waiting import wait_until


@pytest.fixture
def lone_broker(tmp_path: Path) -> Iterator["LoneBroker"]:
    lone = LoneBroker(tmp_path)
    lone.start()
    yield lone
    lone.kill()


class LoneBroker:
    """A broker outside of the stack, to be killed and started again with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lives, self._port = folder, 0, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._lives += 1
        command = embedded.command(self._port, self._folder / f"broker-{self._lives}")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: embedded.is_ready(self.url), timeout=20, what="the broker")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_a_broker_that_is_replaced_and_a_stop_lose_nothing_and_a_supervisor_that_is_killed_leaves_nobody_behind(
    tmp_path: Path, lone_broker: LoneBroker
) -> None:
    environment = {"TENFOLD_BROKER_URL": lone_broker.url, **QUICK}
    short = {"dataset": "digits", "epochs": 1}
    with running_stack(tmp_path, environment) as stack:
        running = stack.client.submit(**LONG)["id"]
        stack.reach_epoch(running, 2)
        waiting = [stack.client.submit(**short)["id"] for _ in range(3)]
        lone_broker.kill()
        unheard = [stack.client.submit(**short)["id"] for _ in range(3)]
        lone_broker.start()
        jobs = [stack.finish(job_id, timeout=150) for job_id in [running, *waiting, *unheard]]
        assert {(job["state"], job["attempt"]) for job in jobs} == {("succeeded", 1)}

        interrupted = stack.client.submit(**LONG)["id"]
        stack.reach_epoch(interrupted, 2)
        later = stack.client.submit(**short)["id"]
        everything = family(stack.process.pid)
        assert len(everything) >= 6
        stack.process.send_signal(signal.SIGINT)
        wait_until(lambda: not alive(everything), timeout=60, what="all processes to end")
    with running_stack(tmp_path, environment) as stack:
        assert [stack.finish(job_id)["state"] for job_id in (interrupted, later)] == ["succeeded", "succeeded"]

        everything = family(stack.process.pid)
        stack.process.kill()
        wait_until(lambda: not alive(everything), timeout=30, what="all processes to end")
