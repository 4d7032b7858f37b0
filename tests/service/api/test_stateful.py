"""Whatever clients ask for in whatever order, a job goes only where it may, and stays where it ends."""

from typing import Any

import hypothesis
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from models.records import Epoch
from models.training import train
from service.api.app import create_app
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.states import FINAL_STATES
from service.store.store import Store
from tests.records import MOVES
from worker.train.run import run

SPEC = {"dataset": "digits", "hidden_sizes": [4], "epochs": 2, "batch_size": 512}

ANSWERS = {
    # What is asked of a job -> the states in which that is granted. In others it is a conflict, and changes nothing.
    "cancel": {"queued", "running", "paused", "cancelled"},
    "pause": {"queued", "running", "paused"},
    "resume": {"queued", "running", "paused"},
    "retry": {"failed", "cancelled", "succeeded"},
    "verify": {"succeeded"},
    "continue": {"succeeded", "cancelled", "failed", "paused"},
}


class Clients(RuleBasedStateMachine):
    """Clients of the API, and a worker that may be amid a job when something is asked of that."""

    jobs = Bundle("jobs")

    # One service for all examples: each looks at jobs of its own.
    settings: Settings
    store: Store
    api: TestClient

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, str] = {}

    def _noted(self, job: dict[str, Any]) -> str:
        self.states[job["id"]] = job["state"]
        return str(job["id"])

    @rule(target=jobs)
    def submit(self) -> str:
        answer = self.api.post("/jobs", json=SPEC)
        assert answer.status_code == 202
        return self._noted(answer.json())

    @rule(target=jobs, job_id=jobs, verb=st.sampled_from(["retry", "verify", "continue"]))
    def repeat(self, job_id: str, verb: str) -> str:
        before = self._state(job_id)
        answer = self.api.post(f"/jobs/{job_id}/{verb}", json={"epochs": 1} if verb == "continue" else None)
        if before is None:
            assert answer.status_code == 404
        elif answer.status_code != 202:
            # Where the state would allow it, there may be nothing to go on from, or it may have begun with another job.
            assert answer.status_code == 409, answer.text
            origin = self.api.get(f"/jobs/{job_id}").json()["origin"]
            assert before not in ANSWERS[verb] or verb == "continue" or origin["kind"] == "continue", answer.text
        else:
            assert before in ANSWERS[verb], (verb, before)
            return self._noted(answer.json())
        assert self._state(job_id) == before
        return job_id

    @rule(job_id=jobs, verb=st.sampled_from(["cancel", "pause", "resume"]))
    def ask(self, job_id: str, verb: str) -> None:
        before = self._state(job_id)
        answer = self.api.post(f"/jobs/{job_id}/{verb}")
        if before is None:
            assert answer.status_code == 404
        elif before in ANSWERS[verb]:
            assert answer.status_code in {200, 202}, (verb, before, answer.text)
        else:
            assert answer.status_code == 409, (verb, before, answer.text)
            assert self._state(job_id) == before

    @rule(job_id=consumes(jobs))
    def delete(self, job_id: str) -> None:
        before = self._state(job_id)
        answer = self.api.delete(f"/jobs/{job_id}")
        expected = 404 if before is None else 409 if before == "running" else 204
        assert answer.status_code == expected
        if expected == 204:
            del self.states[job_id]

    @rule(job_id=jobs, verb=st.sampled_from(["cancel", "pause", "resume", None]), amid=st.booleans())
    def train(self, job_id: str, verb: str | None, amid: bool) -> None:
        """Train a job that waits; a client may ask for something while it runs."""

        def trainer(*arguments: Any, **options: Any) -> Any:
            for record in train(*arguments, **options):
                yield record
                if amid and verb is not None and isinstance(record, Epoch) and record.epoch == 1:
                    self._look_at_all()
                    self.ask(job_id, verb)

        run(job_id, self.store, Artifacts(self.settings.artifacts), self.settings, owner="host:1:a/1", trainer=trainer)

    def _state(self, job_id: str) -> str | None:
        answer = self.api.get(f"/jobs/{job_id}")
        return answer.json()["state"] if answer.status_code == 200 else None

    @invariant()
    def _look_at_all(self) -> None:
        for job_id, before in list(self.states.items()):
            job = self.api.get(f"/jobs/{job_id}").json()
            after = job["state"]
            assert after == before or _leads(before, after), f"from {before} to {after}"
            assert before not in FINAL_STATES or after == before
            assert (job["error"] is not None) == (after == "failed")
            assert (job["cancellation"] is not None) == (after == "cancelled")
            assert (job["finished_at"] is not None) == (after in FINAL_STATES)
            self.states[job_id] = after


def _leads(before: str, after: str) -> bool:
    """Whether there is a way of legal moves from one state to another: between two looks there may be several."""
    reached, ahead = set[str](), {before}
    while ahead:
        reached |= ahead
        ahead = {state for each in ahead for state in MOVES.get(each, set())} - reached
    return after in reached


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_sequence_of_requests_leads_a_job_where_it_may_not_be(settings: Settings, store: Store) -> None:
    alone = settings.model_copy(update={"group_size": 1})
    with TestClient(create_app(alone), base_url="http://localhost") as api:
        machine = type("TheseClients", (Clients,), {"settings": alone, "store": store, "api": api})
        run_state_machine_as_test(
            machine,
            settings=hypothesis.settings(
                max_examples=5, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
