"""Real processes on PostgreSQL, killed while they work: a job ends with the bits of one that nobody disturbed.

On SQLite the same happens in test_chaos.py.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import fresh_database
from tests.running import LONG, QUICK, Stack, alive, family, running_stack
from tests.waiting import wait_until


@pytest.fixture(scope="module", params=["postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("stack")
    with (
        fresh_database(request, home) as url,
        running_stack(home, {"TENFOLD_DATABASE_URL": url, **QUICK}) as stack,
    ):
        yield stack


@pytest.fixture(scope="module")
def undisturbed(stack: Stack) -> dict[str, Any]:
    """A run of LONG that nobody disturbs, and its history."""
    job = stack.finish(stack.client.submit(**LONG)["id"])
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    return job | {"metrics": metrics(stack, job["id"])}


def metrics(stack: Stack, job_id: str) -> dict[str, Any]:
    history = stack.client.metrics(job_id)
    for epoch in history["epochs"]:
        del epoch["seconds"]
    return history


def reach(stack: Stack, job_id: str, *, attempt: int, epoch: int) -> None:
    def has_come() -> bool:
        job = stack.client.job(job_id)
        assert job["state"] in {"queued", "running"}, "the job was too short for this test"
        return bool(job["state"] == "running" and job["attempt"] == attempt and job["progress"]["epoch"] >= epoch)

    wait_until(has_come, timeout=60, what=f"attempt {attempt} at epoch {epoch}: {stack.logs()}")


def kill_the_training_process(stack: Stack, job_id: str) -> None:
    os.kill(stack.training_process(job_id), signal.SIGKILL)


def let_the_training_process_sleep_through_its_lease(stack: Stack, job_id: str) -> None:
    child = stack.training_process(job_id)
    os.kill(child, signal.SIGSTOP)
    wait_until(lambda: stack.client.job(job_id)["state"] == "queued", timeout=30, what="the lease to expire")
    os.kill(child, signal.SIGCONT)


def kill_the_whole_worker(stack: Stack, job_id: str) -> None:
    worker = stack.program("--hostname train@")
    everything = family(worker)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not alive(everything), timeout=20, what="the children of a killed worker to end")


def kill_what_training_processes_are_forked_from(stack: Stack, job_id: str) -> None:
    child = stack.training_process(job_id)
    status = Path(f"/proc/{child}/stat").read_text()
    os.kill(int(status.rpartition(") ")[2].split()[1]), signal.SIGKILL)  # its parent
    wait_until(lambda: not alive({child}), timeout=20, what="the children of a killed server to end")


def tell_the_worker_to_stop(stack: Stack, job_id: str) -> None:
    worker = stack.program("--hostname train@")
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: not alive({worker}), timeout=30, what="the worker to leave")


def pause_and_resume(stack: Stack, job_id: str) -> None:
    stack.client.pause(job_id)
    wait_until(lambda: stack.client.job(job_id)["state"] == "paused", timeout=30, what="the job to be paused")
    other = stack.finish(stack.client.submit(dataset="digits", hidden_sizes=[8], epochs=1)["id"])
    assert other["state"] == "succeeded", "the worker is free meanwhile"
    assert stack.client.job(job_id)["state"] == "paused"
    stack.client.resume(job_id)


DISTURBANCES = (
    kill_the_training_process,
    let_the_training_process_sleep_through_its_lease,
    kill_the_whole_worker,
    *([kill_what_training_processes_are_forked_from] if sys.platform == "linux" else []),
    tell_the_worker_to_stop,
    pause_and_resume,
)


@pytest.mark.timeout(240)
def test_a_job_that_all_of_this_happens_to_ends_with_the_bits_of_one_that_nobody_disturbed(
    stack: Stack, undisturbed: dict[str, Any]
) -> None:
    job_id = stack.client.submit(**LONG)["id"]
    for number, disturb in enumerate(DISTURBANCES, start=1):
        reach(stack, job_id, attempt=number, epoch=3 * number)
        disturb(stack, job_id)
    job = stack.finish(job_id)
    assert (job["state"], job["error"], job["attempt"]) == ("succeeded", None, len(DISTURBANCES) + 1)
    assert job["weights_sha256"] == undisturbed["weights_sha256"]
    assert job["bit_identical"] is True
    assert metrics(stack, job_id) == undisturbed["metrics"]
    epochs = [data["epoch"] for kind, data in stack.client.follow(job_id) if kind == "epoch"]
    assert epochs == list(range(1, LONG["epochs"] + 1))  # type: ignore[operator]


@pytest.mark.timeout(240)
def test_a_running_job_is_cancelled_within_an_epoch_and_keeps_what_it_learned(stack: Stack) -> None:
    endless = LONG | {"batch_size": 1, "hidden_sizes": [1000, 1000], "epochs": 100}
    job_id = stack.client.submit(**endless)["id"]
    wait_until(lambda: stack.client.job(job_id)["state"] == "running", timeout=60, what="the job to begin")
    # An epoch of 1,437 batches of this network lasts seconds; there is none yet.
    stack.client.cancel(job_id)
    job = stack.finish(job_id, timeout=60)
    assert job["state"] == "cancelled"
    history = stack.client.metrics(job_id)
    assert len(history["epochs"]) <= 1
    if history["epochs"]:
        assert history["epochs"][0]["complete"] is False
        assert len(history["losses"]) < 1437
        assert stack.client.checkpoints(job_id)["data"][0]["name"] == "last"


def test_an_evaluation_is_made_though_the_worker_that_heard_of_it_is_killed(
    stack: Stack, undisturbed: dict[str, Any]
) -> None:
    worker = stack.program("--hostname errands@")
    os.kill(worker, signal.SIGSTOP)  # the broker gives it the message, and it does nothing with it
    body = {"model": undisturbed["id"], "dataset": "digits", "part": "validation"}
    asked = httpx.post(f"{stack.url}/evaluations", json=body).raise_for_status().json()
    os.kill(worker, signal.SIGKILL)

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = httpx.get(f"{stack.url}/evaluations/{asked['id']}?wait=2", timeout=9).json()
        return found if found["state"] in {"succeeded", "failed"} else None

    found = wait_until(ended, timeout=60, what=f"the evaluation to be made: {stack.logs()}")
    assert found["state"] == "succeeded", found
    assert found["result"]["examples"] + found["result"]["left_out"] == 360
