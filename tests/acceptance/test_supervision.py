"""The parts as a whole: the broker is replaced, the supervisor killed, everything stopped and started again."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import broker
from service.supervisor import free_port
from tests.acceptance.test_killed_workers import LONG
from tests.stack import QUICK, alive, family, running_stack
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
        command = broker.command(self._port, self._folder / f"broker-{self._lives}")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: broker.is_ready(self.url), timeout=20, what="the broker")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.mark.timeout(300)
def test_jobs_that_wait_while_the_broker_is_replaced_by_an_empty_one_all_end(
    tmp_path: Path, lone_broker: LoneBroker
) -> None:
    with running_stack(tmp_path / "home", {"TENFOLD_BROKER_URL": lone_broker.url, **QUICK}) as stack:
        running = stack.client.submit(**LONG)["id"]
        stack.reach_epoch(running, 2)
        short = {"dataset": "digits", "epochs": 1}
        waiting = [stack.client.submit(**short)["id"] for _ in range(5)]
        lone_broker.kill()
        unheard = [stack.client.submit(**short)["id"] for _ in range(3)]
        lone_broker.start()
        jobs = [stack.finish(job_id, timeout=150) for job_id in [running, *waiting, *unheard]]
        assert {job["state"] for job in jobs} == {"succeeded"}
        assert {job["attempt"] for job in jobs} == {1}


@pytest.mark.timeout(200)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_a_supervisor_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_stack(tmp_path, QUICK) as stack:
        everything = family(stack.process.pid)
        assert len(everything) >= 6
        stack.process.kill()
        wait_until(lambda: not alive(everything), timeout=30, what="all processes to end")


@pytest.mark.timeout(200)
def test_ctrl_c_stops_everything_and_a_second_start_goes_on_with_what_waited(tmp_path: Path) -> None:
    with running_stack(tmp_path, QUICK) as stack:
        everything = family(stack.process.pid)
        job_id = stack.client.submit(**LONG)["id"]
        stack.reach_epoch(job_id, 2)
        later = stack.client.submit(dataset="digits", epochs=1)["id"]
        stack.process.send_signal(signal.SIGINT)
        wait_until(lambda: not alive(everything), timeout=60, what="all processes to end")
    with running_stack(tmp_path, QUICK) as stack:
        assert stack.finish(job_id)["state"] == "succeeded"
        assert stack.finish(later)["state"] == "succeeded"
