"""What is under way ends with the key that asked for it: a stream, an answer that is waited for, half a file."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from starlette.types import Receive, Scope, Send

from service.access.caller import Caller
from service.access.scopes import SCOPES
from service.api.dependencies import CALLER
from service.api.gate import Gate
from service.api.keyring import Keyring
from service.settings import Settings
from service.store.account_tables import api_keys
from service.store.store import Store
from tests.records import submit
from tests.service.conftest import fresh_app
from tests.waiting import wait_until

STREAM = {"Accept": "text/event-stream"}
Asked = Callable[..., "Future[Any]"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference at the gate."""
    return sqlite_url


@pytest.fixture
def locked(settings: Settings, store: Store) -> Iterator[TestClient]:
    """A client of an API that asks for keys, and waits as long as it is asked to."""
    app = fresh_app(settings.model_copy(update={"auth": "on"}))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        state = app.state
        patient = state.dependencies.settings.model_copy(update={"max_wait_seconds": 600.0})
        state.dependencies = replace(state.dependencies, settings=patient)
        yield client


@pytest.fixture
def meanwhile(locked: TestClient) -> Iterator[Asked]:
    """Asks by another thread, and comes back once that is under way, and looked after."""
    watch = locked.app.gate.admission.keyring.watch  # type: ignore[attr-defined]
    with ThreadPoolExecutor() as pool:

        def ask(path: str, **headers: str) -> "Future[Any]":
            before = sum(map(len, watch._under_way.values()))
            asked = pool.submit(locked.get, path, headers=headers)
            wait_until(lambda: sum(map(len, watch._under_way.values())) > before, timeout=10, what="it to be under way")
            return asked

        yield ask


def test_open_streams_end_with_their_key_and_no_others(meanwhile: Asked, store: Store) -> None:
    job_id = submit(store)
    (row, text), (_, other) = (store.api_keys.add("default", "test", SCOPES) for _ in range(2))
    its = [meanwhile(path, **STREAM, **{"X-Api-Key": text}) for path in ("/events", f"/jobs/{job_id}/events")]
    another = meanwhile(f"/jobs/{job_id}/events", **STREAM, **{"X-Api-Key": other})
    store.api_keys.revoke(row.id)
    revoked = time.monotonic()
    for answer in [one.result() for one in its]:
        assert answer.status_code == 200
        assert "event: end" not in answer.text, "its client comes back, and is refused"
    assert time.monotonic() - revoked < 10, "the next ping would come after 15 s, and end nothing"
    store.jobs.cancel(job_id)
    assert "event: end" in another.result().text


def test_a_stream_ends_as_its_key_expires_and_so_does_one_by_a_ticket(
    meanwhile: Asked, locked: TestClient, store: Store
) -> None:
    row, text = store.api_keys.add("default", "test", SCOPES, days=1)
    asked = {"path": "/events", "seconds": 60}
    ticket = locked.post("/tickets", json=asked, headers={"X-Api-Key": text}).json()["ticket"]
    its = [meanwhile("/events", **STREAM, **{"X-Api-Key": text}), meanwhile(f"/events?ticket={ticket}", **STREAM)]
    with store.database.writer.begin() as connection:
        connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(expires_at=1))
    assert [one.result().status_code for one in its] == [200, 200]


def test_who_waits_for_an_end_is_told_nothing_of_it_once_the_key_is_revoked(meanwhile: Asked, store: Store) -> None:
    row, text = store.api_keys.add("default", "test", SCOPES)
    waits = meanwhile(f"/jobs/{submit(store)}", Prefer="wait=600", **{"X-Api-Key": text})
    store.api_keys.revoke(row.id)
    answer = waits.result()
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_record_that_is_away_for_a_moment_ends_no_stream(
    meanwhile: Asked, store: Store, monkeypatch: pytest.MonkeyPatch, locked: TestClient
) -> None:
    row, text = store.api_keys.add("default", "test", SCOPES)
    watch, looks = locked.app.gate.admission.keyring.watch, []  # type: ignore[attr-defined]
    good = watch._good

    def look(keys: Any) -> Any:
        looks.append(keys)
        if len(looks) == 1:
            raise OperationalError("SELECT", {}, Exception("away"))
        if len(looks) == 2:
            store.api_keys.revoke(row.id)
        return good(keys)

    monkeypatch.setattr(watch, "_good", look)
    stream = meanwhile("/events", **STREAM, **{"X-Api-Key": text})
    assert stream.result().status_code == 200
    assert looks == [[row.id], [row.id]]


def test_half_a_file_is_not_ended_as_if_it_were_whole(store: Store, settings: Settings) -> None:
    row, _ = store.api_keys.add("default", "test", SCOPES)
    sent = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
        await send({"type": "http.response.body", "body": b"half of", "more_body": True})
        store.api_keys.revoke(row.id)
        await asyncio.Event().wait()

    async def scenario() -> None:
        gate = Gate(app, settings)
        gate.admission.keyring = Keyring(store.api_keys)
        caller = Caller("default", frozenset(SCOPES), row.id)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {CALLER: caller}}

        async def send(message: Any) -> None:
            sent.append(message)

        await gate._while_good(app, scope, None, send)  # type: ignore[arg-type]

    asyncio.run(scenario())
    assert sent[-1] == {"type": "http.response.body", "body": b"half of", "more_body": True}
