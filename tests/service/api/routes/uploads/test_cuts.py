"""Connections that are torn, with and without a word, on a server of two processes as it runs in earnest."""

import hashlib
import http.client
import os
import socket
import struct
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.running import serving
from tests.service.api.routes.uploads import BYTES, TUS, begun, offset, sent
from tests.waiting import wait_until

FILE = os.urandom(400_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    with serving(home, 2) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        yield client


def half_sent(client: httpx.Client, place: str, begin: int, end: int, **headers: str) -> socket.socket:
    """Say that the rest of the file comes, and send less."""
    said = {**BYTES, "Upload-Offset": str(begin), "Content-Length": str(len(FILE) - begin), **headers}
    host, port = client.base_url.host, client.base_url.port or 0
    connection = socket.create_connection((host, port), timeout=30)
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"{host}:{port}", **said}.items())
    connection.sendall(f"PATCH {place} HTTP/1.1\r\n{lines}\r\n".encode() + FILE[begin:end])
    return connection


def tear(connection: socket.socket) -> None:
    """Let a connection end with a reset, as one ends whose client has crashed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer_of(connection: socket.socket) -> int:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status


def kept(home: Path, place: str) -> bytes:
    return (home / "artifacts" / place.lstrip("/")).read_bytes()


def test_what_has_come_is_kept_before_and_after_a_cut(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    for begin, end in ((0, 1), (1, 399_999)):
        connection = half_sent(client, place, begin, end)
        wait_until(lambda: offset(client, place) == end, timeout=30, what="the bytes to be safe")  # noqa: B023
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection) == 400
        connection.close()
        assert offset(client, place) == end
    assert sent(client, place, FILE[399_999:], 399_999).status_code == 204
    assert kept(home, place) == FILE


def test_a_reset_loses_nothing_that_was_said_to_be_safe(client: httpx.Client, home: Path) -> None:
    place, at = begun(client, len(FILE)), 0
    for end in (100_000, 200_000, 300_000):
        tear(half_sent(client, place, at, end))
        before, at = at, offset(client, place)
        assert before <= at <= end
        assert kept(home, place)[:at] == FILE[:at] if at else True
    # As a client does that goes on: what came after it was told is cut off, or told by 409.
    while (answer := sent(client, place, FILE[at:], at)).status_code != 204:
        assert answer.status_code in {409, 423}
        at = offset(client, place)
    assert kept(home, place) == FILE


def test_a_connection_that_is_dead_without_a_word_does_not_hold_an_upload(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    with closing(half_sent(client, place, 0, 150_000)) as dead:
        wait_until(lambda: (home / "artifacts" / place[1:]).exists(), timeout=30, what="the file to be opened")
        at = offset(client, place)
        answer = sent(client, place, FILE[at:], at)
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(FILE)))
        assert answer_of(dead) == 423, "should it live, it is told that another goes on"
    assert kept(home, place) == FILE


def test_of_many_at_once_each_takes_over_from_the_one_before(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    slow = [half_sent(client, place, 0, 1000 * (number + 1)) for number in range(6)]
    # Over several connections, so that both processes take part.
    while True:
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            at = offset(other, place)
            if sent(other, place, FILE[at:], at).status_code == 204:
                break
    for connection in slow:
        assert answer_of(connection) in {409, 423}
        connection.close()
    assert kept(home, place) == FILE


def test_one_that_goes_on_from_elsewhere_takes_nothing_over(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    with closing(half_sent(client, place, 0, 150_000)) as connection:
        wait_until(lambda: (home / "artifacts" / place[1:]).exists(), timeout=30, what="the file to be opened")
        assert sent(client, place, FILE[9:], 9).status_code == 409
        connection.sendall(FILE[150_000:])
        assert answer_of(connection) == 204
    assert kept(home, place) == FILE


def test_an_upload_may_be_ended_while_it_comes(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    with closing(half_sent(client, place, 0, 150_000)) as connection:
        wait_until(lambda: (home / "artifacts" / place[1:]).exists(), timeout=30, what="the file to be opened")
        assert client.delete(place, headers=TUS).status_code == 204
        assert answer_of(connection) == 404
    assert not (home / "artifacts" / place[1:]).exists()


def test_of_a_body_with_a_checksum_nothing_is_kept_unless_all_of_it_came(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    digest = {"Upload-Checksum": f"sha256 {b64encode(hashlib.sha256(FILE).digest()).decode()}"}
    connection = half_sent(client, place, 0, 300_000, **digest)
    connection.shutdown(socket.SHUT_WR)
    assert answer_of(connection) == 400
    connection.close()
    assert offset(client, place) == 0
    assert sent(client, place, FILE, 0, **digest).status_code == 204
    assert kept(home, place) == FILE


def test_bytes_that_come_in_chunks_are_kept_as_well(client: httpx.Client, home: Path) -> None:
    place = begun(client, len(FILE))
    pieces = (FILE[start : start + 7_777] for start in range(0, len(FILE), 7_777))
    assert sent(client, place, pieces).status_code == 204
    assert kept(home, place) == FILE
    small = begun(client, 10)
    too_many = (piece for piece in (b"abcd", b"efgh", b"ijkl"))
    assert sent(client, small, too_many).status_code == 413
