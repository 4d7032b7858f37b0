"""What has come before a cut, or before a disk has no more room, is kept; and a disk that cannot be written is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from service.api.routes.uploads import reception
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.disks import fill, make_read_only, small_disk
from tests.service.api.routes.uploads import BYTES, FILE, TUS, begun, offset, sent
from tests.waiting import wait_until


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is kept does not depend on the database; the store's tests run on both."""
    return sqlite_url


def cut(api: TestClient, place: str, *pieces: bytes, offset: int = 0, **headers: str) -> int:
    """Send pieces of a body, and be gone; gives the status of the answer that nobody reads."""
    coming: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    statuses = []

    async def receive() -> Message:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    said = {"Host": "localhost", **BYTES, "Upload-Offset": str(offset), **headers}
    scope: dict[str, Any] = {"type": "http", "method": "PATCH", "path": place, "query_string": b"", "scheme": "http"}
    scope |= {"headers": [(name.lower().encode(), value.encode()) for name, value in said.items()]}
    scope |= {"client": ("testclient", 1), "server": ("localhost", 80), "http_version": "1.1", "root_path": ""}
    assert api.portal is not None
    api.portal.call(api.app, scope, receive, send)
    return int(statuses[0])


def test_what_came_before_a_cut_is_kept(api: TestClient, settings: Settings) -> None:
    place = begun(api)
    assert cut(api, place, FILE[:100], FILE[100:150]) == 400
    assert offset(api, place) == 150
    assert cut(api, place, offset=150) == 400, "of nothing, nothing"
    assert cut(api, place, FILE[150:160], offset=150) == 400
    assert sent(api, place, FILE[160:], 160).status_code == 204
    assert (settings.artifacts / place[1:]).read_bytes() == FILE


def test_of_a_body_that_is_too_long_what_fits_is_kept_and_of_one_with_a_checksum_nothing(api: TestClient) -> None:
    place = begun(api, 10)
    assert cut(api, place, b"abcd", b"efghijk") == 413
    assert offset(api, place) == 4
    assert cut(api, place, b"efgh", offset=4, **{"Upload-Checksum": "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}) == 400
    assert offset(api, place) == 4


def test_a_file_that_is_longer_than_the_record_says_is_cut_back(api: TestClient, settings: Settings) -> None:
    place = begun(api)
    sent(api, place, FILE[:100])
    with (settings.artifacts / place[1:]).open("ab") as file:
        file.write(b"?" * 1000)  # as whoever is killed leaves it
    assert offset(api, place) == 100
    assert sent(api, place, FILE[100:], 100).status_code == 204
    assert (settings.artifacts / place[1:]).read_bytes() == FILE


def test_whoever_waits_for_the_file_and_is_overtaken_does_not_touch_it(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    place = begun(api)
    upload_id = place.rpartition("/")[2]
    held = artifacts.grow(place[1:], size=0)
    assert held is not None
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(sent, api, place, b"?" * len(FILE))
        wait_until(lambda: store.uploads.get(upload_id).turn == 1, timeout=30, what="the first to begin")
        turn = store.uploads.take(upload_id, 0)
        held.go_on(0)
        held.write(FILE)
        store.uploads.record(turn, held.keep())
        held.close()
        assert "HEAD /uploads/" in problem(waiting.result(), 423)["detail"]
    assert artifacts.path(place[1:]).read_bytes() == FILE
    assert offset(api, place) == len(FILE)


def test_one_who_does_not_let_go_is_not_waited_for_without_end(
    api: TestClient, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "LET_GO_SECONDS", 0.1)
    place = begun(api)
    held = artifacts.grow(place[1:], size=0)
    assert held is not None
    refused = sent(api, place, FILE)
    problem(refused, 423)
    assert refused.headers["retry-after"] == "1"
    held.close()
    assert sent(api, place, FILE).status_code == 204


class TestLittleRoom:
    """More is to stay free than any disk has."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"disk_floor_bytes": 2**62})

    def test_nothing_is_begun_and_nothing_goes_on_and_ending_makes_room(self, api: TestClient, store: Store) -> None:
        place = f"/uploads/{store.uploads.begin(10, None, '').id}"
        answers = [
            api.post("/uploads", headers={**TUS, "Upload-Length": "1"}),
            sent(api, place, b"abc"),
            api.post(f"/datasets?name=mine&upload={place[9:]}"),
        ]
        for answer in answers:
            assert "DELETE /jobs/{id}, /sweeps/{id}, /uploads/{id}" in problem(answer, 507)["detail"]
        assert offset(api, place) == 0
        assert api.delete(place, headers=TUS).status_code == 204


class TestSmallDisk:
    """The files lie on a disk of their own, of which nothing is kept free."""

    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
        with small_disk(tmp_path / "disk") as disk:
            yield settings.model_copy(update={"home": disk, "disk_floor_bytes": 0})

    def test_what_was_written_before_the_disk_was_full_is_kept(self, api: TestClient, settings: Settings) -> None:
        content = bytes(range(256)) * 6_000
        place = begun(api, len(content))
        ballast = fill(settings.home)
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - 2**20)
        refused = sent(api, place, content)
        assert "tenfold gc" in problem(refused, 507)["detail"]
        at = offset(api, place)
        assert 0 < at < len(content)
        ballast.unlink()
        assert sent(api, place, content[at:], at).status_code == 204
        assert (settings.artifacts / place[1:]).read_bytes() == content

    def test_a_disk_that_cannot_be_written_is_a_503_without_a_path(self, api: TestClient, settings: Settings) -> None:
        place = begun(api)
        sent(api, place, FILE[:10])
        make_read_only(settings.home)
        refused = sent(api, place, FILE[10:], 10)
        problem(refused, 503)
        assert str(settings.home) not in refused.text
        assert offset(api, place) == 10
