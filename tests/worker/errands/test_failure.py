"""What a worker could not make is told to whoever waits for it, with its cause and without our paths."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from service.api.app import create_app
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from service.store.tables import artifacts as pointers
from tests.answers import problem
from tests.records import claim, ended, learn, submit
from worker.errands.draw_job import draw
from worker.errands.failure import reason, refuse


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is refused."""
    return sqlite_url


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/srv/ada/.tenfold/artifacts/x.png"), "No space left on device: x.png"),
        (FileNotFoundError("job 1 has no evaluation"), "job 1 has no evaluation"),
        (ValueError("the file jobs/1/best.json was damaged"), "the file jobs/1/best.json was damaged"),
        (KeyError("epoch"), "KeyError: 'epoch'"),
        (
            RuntimeError("see '/usr/lib/py/x.py' and https://a.org/b/c"),
            "RuntimeError: see 'x.py' and https://a.org/b/c",
        ),
        (OperationalError("SELECT secret", {}, Exception("locked")), "the database did not answer"),
        (ValueError(""), "ValueError: "),
        (RuntimeError("x" * 10_000), ("RuntimeError: " + "x" * 10_000)[:500]),
    ],
)
def test_a_reason_says_the_cause_and_no_path(error: Exception, told: str) -> None:
    assert reason(error) == told


def test_a_plot_that_cannot_be_drawn_is_told_once_and_then_tried_anew(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = ended(store, artifacts)
    link = f"/jobs/{job_id}/plots/confusion.png"
    with TestClient(create_app(settings), base_url="http://localhost") as api:
        for _ in range(2):
            draw(job_id, "confusion", store, artifacts)  # its record has no evaluation that could be drawn
        answer = problem(api.get(link), 500)
        assert answer["detail"].startswith("the plot cannot be drawn: ")
        assert str(artifacts.folder) not in answer["detail"]
        assert "broker" in problem(api.get(link), 503)["detail"], "whoever asks again is answered anew"
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    assert store.files.get(owners.of_job(job_id), "confusion.png") is None


@pytest.mark.parametrize("since", ["another epoch", "two minutes"])
def test_a_refusal_that_nobody_took_back_is_no_answer_to_who_asks_later(
    store: Store, artifacts: Artifacts, settings: Settings, since: str
) -> None:
    held = claim(store, submit(store, epochs=3))
    learn(store, artifacts, held, 1)
    draw(held.job_id, "confusion", store, artifacts)
    if since == "another epoch":
        learn(store, artifacts, held, 2)
    else:
        with store.database.writer.begin() as connection:
            connection.execute(update(pointers).values(created_at=pointers.c.created_at - 120_000))
    with TestClient(create_app(settings), base_url="http://localhost") as api:
        link = f"/jobs/{held.job_id}/plots/confusion.png"
        assert "broker" in problem(api.get(link), 503)["detail"], "it is asked for anew"


def test_what_could_be_made_after_all_takes_its_refusal_back(store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    refuse(owners.of_job(job_id), "loss.png", ValueError("no room"), store, artifacts)
    draw(job_id, "loss", store, artifacts)
    assert [file.name for file in store.files.of(owners.of_job(job_id)) if "loss" in file.name] == ["loss.png"]
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_who_waits_in_vain_is_told_whether_there_is_a_worker(
    store: Store, artifacts: Artifacts, settings: Settings, broker_url: str
) -> None:
    job_id = ended(store, artifacts)
    settings = settings.model_copy(update={"broker_url": broker_url, "max_wait_seconds": 0.0})
    with TestClient(create_app(settings), base_url="http://localhost") as api:
        link = f"/jobs/{job_id}/plots/loss.png"
        assert "no worker for errands has been seen lately" in problem(api.get(link), 503)["detail"]
        store.workers.seen("host:1:a", "errands", slots=0)
        assert "is busy with it, or with others before it" in problem(api.get(link), 503)["detail"]
