"""Whatever goes wrong is a problem document."""

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.records import submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/nobody"),
        ("DELETE", "/jobs/nobody"),
        ("POST", "/jobs/nobody/cancel"),
        ("GET", "/jobs/nobody/metrics"),
        ("GET", "/jobs/nobody/events"),
        ("GET", "/jobs/nobody/examples"),
        ("GET", "/jobs/nobody/checkpoints"),
        ("GET", "/jobs/nobody/checkpoints/last.safetensors"),
        ("GET", "/jobs/nobody/plots/loss.png"),
        ("GET", "/datasets/nobody"),
        ("GET", "/datasets/nobody/samples.png"),
        ("DELETE", "/datasets/nobody"),
        ("GET", "/nowhere"),
        ("GET", "/static/../app.py"),
        ("GET", "/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd/checkpoints/last.safetensors"),
    ],
)
def test_what_is_not_there_is_a_404(api: TestClient, method: str, path: str) -> None:
    problem(api.request(method, path), 404)


def test_a_method_that_is_not_meant_is_a_405(api: TestClient) -> None:
    answer = api.put("/jobs")
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/%00"), ("DELETE", "/jobs/a%00b"), ("GET", "/jobs?name=%00"), ("POST", "/predict?model=%00")],
)
def test_characters_that_no_name_has_are_refused(api: TestClient, method: str, path: str) -> None:
    answer = api.request(method, path, content=b"\0\xff" * 392, headers={"Content-Type": "application/octet-stream"})
    problem(answer, 422)


def test_a_database_that_is_gone_is_a_503_and_no_wrong_answer(
    api: TestClient, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    submit(store)
    (settings.home / "tenfold.sqlite3").rename(settings.home / "elsewhere")
    (settings.home / "tenfold.sqlite3").mkdir()
    api.app.state.dependencies.store.database.close()  # type: ignore[attr-defined]
    answer = api.get("/jobs")
    assert "nothing was changed" in problem(answer, 503)["detail"]
    assert "GET '/jobs': unable to open database file" in caplog.text
    assert int(answer.headers["retry-after"]) > 0
    problem(api.post("/jobs", json={"dataset": "digits"}), 503)
    assert api.get("/readyz").json()["database"] is False


def test_a_database_that_is_locked_is_told_as_that_and_logged(
    api: TestClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with api.app.state.dependencies.store.database.reader.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    with store.database.writer.begin():
        answer = api.post("/jobs", json={"dataset": "digits"})
    assert "does not answer or is busy" in problem(answer, 503)["detail"]
    assert "POST '/jobs': database is locked" in caplog.text


@pytest.mark.parametrize("damage", ["of a page", "of all"])
def test_a_database_that_is_damaged_is_not_told_as_busy(
    api: TestClient, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    submit(store)
    store.database.close()
    file = settings.home / "tenfold.sqlite3"
    content = file.read_bytes()
    file.write_bytes((content[:4096] if damage == "of a page" else b"") + b"garbage!" * (len(content) // 8))
    api.app.state.dependencies.store.database.close()  # type: ignore[attr-defined]
    answer = api.get("/jobs")
    assert "the database is damaged" in problem(answer, 503)["detail"]
    assert "backup" in answer.json()["detail"]
    assert ("database disk image is malformed" if damage == "of a page" else "is not a database") in caplog.text
