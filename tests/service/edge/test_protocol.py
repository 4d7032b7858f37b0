"""Raw bytes to a socket: what is a request comes through as it was sent, and all else is refused as a problem."""

import json
from functools import partial
from typing import Any

import pytest

from service.edge import patience
from service.edge.protocol import MAX_HEAD_BYTES, MAX_TRAILER_BYTES
from tests.service.edge.conftest import Edge, read_all
from tests.waiting import wait_until

HOST = b"Host: localhost\r\n"
CLOSING = b"Connection: close, UPGRADE"


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    head = b"".join(b"%b\r\n" % line for line in (b"Host: localhost", b"Content-Length: %d" % len(body), *lines))
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path, head, body)


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, HOST, b"".join(b"%b\r\n" % line for line in lines))


def problem(answer: bytes, status: int) -> dict[str, Any]:
    """Check that there is one answer: a problem document of this status, after which the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:500]
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    document: dict[str, Any] = json.loads(body)
    assert document["status"] == status
    return document


def statuses(answer: bytes) -> list[bytes]:
    return [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


UPGRADES = [
    (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
    (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: x"),
    (b"connection: keep-alive, upgrade", b"upgrade: anything/1"),
    (b"Upgrade: h2c", CLOSING),
]


@pytest.mark.parametrize("lines", UPGRADES, ids=lambda lines: lines[-1].decode())
@pytest.mark.parametrize("apart", [False, True], ids=["in one segment", "in two"])
def test_who_wishes_another_protocol_is_answered_once_and_as_http(
    edge: Edge, lines: tuple[bytes, ...], apart: bool
) -> None:
    hidden = get(b"/hidden")
    request = post(b"/shown", hidden, *lines)
    cut = len(request) - len(hidden)
    last = lines[-1] != CLOSING
    answer = edge.ask(request[:cut], request[cut:], last=last) if apart else edge.ask(request, last=last)
    assert statuses(answer) == [b"200"]
    assert [(path, body) for _, path, _, body in edge.came] == [("/shown", hidden)]
    assert not [name for name, _ in edge.came[0][2] if name == b"upgrade"]


def test_after_a_wish_for_another_protocol_the_connection_goes_on(edge: Edge) -> None:
    answer = edge.ask(get(b"/1", b"Connection: Upgrade", b"Upgrade: h2c") + post(b"/2", b"two") + get(b"/3"))
    assert statuses(answer) == [b"200"] * 3
    assert [path for _, path, _, _ in edge.came] == ["/1", "/2", "/3"]


def test_a_chunked_body_of_who_wishes_another_protocol_is_the_body(edge: Edge) -> None:
    lines = (b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked")
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"".join(b"%b\r\n" % line for line in lines) + b"\r\n"
    assert statuses(edge.ask(head, b"3\r\nabc\r\n", b"0\r\n\r\n")) == [b"200"]
    assert edge.came[0][3] == b"abc"


@pytest.mark.parametrize("name", ["Content-Type", "Idempotency-Key", "Host", "X-Forwarded-For"])
def test_a_trailer_is_no_header(edge: Edge, name: str) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n"
    answer = edge.ask(head, b"3\r\nabc\r\n0\r\n" + name.encode() + b": 5\r\n\r\n", get(b"/2"))
    assert statuses(answer) == [b"200", b"200"]
    assert [(path, body) for _, path, _, body in edge.came] == [("/1", b"abc"), ("/2", b"")]
    assert b"5" not in [value for _, value in edge.came[0][2]]


CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "no request": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "line feeds alone": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (get(b"/", b"Host: localhost"), 400),
    "two hosts, one empty": (get(b"/", b"Host:"), 400),
    "a port that is a word": (b"GET / HTTP/1.1\r\nHost: localhost:evil\r\n\r\n", 400),
    "a port too high": (b"GET / HTTP/1.1\r\nHost: localhost:65536\r\n\r\n", 400),
    "a host with a path": (b"GET / HTTP/1.1\r\nHost: localhost/evil\r\n\r\n", 400),
    "a host with a name": (b"GET / HTTP/1.1\r\nHost: me@localhost\r\n\r\n", 400),
    "two hosts in one": (b"GET / HTTP/1.1\r\nHost: localhost, evil\r\n\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "another host in the request line": (b"GET http://evil/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an address that is none": (b"GET http://[/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a path that is no ASCII": ("GET /é HTTP/1.1\r\n".encode() + HOST + b"\r\n", 400),
    "both lengths": (post(b"/", b"x", b"Transfer-Encoding: chunked"), 400),
    "two lengths": (post(b"/", b"x", b"Content-Length: 2"), 400),
    "a length with a sign": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\nx", 400),
    "a length of a thousand digits": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 1000 + b"\r\n\r\n",
        400,
    ),
    "a chunk that is none": (CHUNKED + b"\r\nxyz\r\n", 400),
    "chunks of HTTP/1.0": (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "another coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "two codings": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        501,
    ),
    "a tunnel": (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    "a long path": (b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a path without end": (b"GET /" + b"x" * 2 * MAX_HEAD_BYTES, 414),
    "a long header": (get(b"/", b"X: " + b"x" * MAX_HEAD_BYTES), 431),
    "many headers": (get(b"/", *[b"X%d: y" % number for number in range(9000)]), 431),
    "a header without end": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 2 * MAX_HEAD_BYTES, 431),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_refused_as_a_problem(edge: Edge, sent: bytes, status: int) -> None:
    problem(edge.ask(sent), status)
    assert edge.came == []


@pytest.mark.parametrize("size", [1000, 30_000])
def test_bytes_that_trickle_in_are_bounded_too(edge: Edge, size: int) -> None:
    pieces = [b"X: " + b"x" * size + b"\r\n"] * (2 * MAX_HEAD_BYTES // size)
    problem(edge.ask(b"GET / HTTP/1.1\r\n" + HOST, *pieces, last=False), 431)
    assert edge.came == []


@pytest.mark.parametrize(
    "loose",
    [b"X: " + b"x" * MAX_TRAILER_BYTES, b"X: yyyy\r\n" * (MAX_TRAILER_BYTES // 5 + 1)],
    ids=["one", "many"],
)
def test_trailers_are_bounded(edge: Edge, loose: bytes) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    problem(edge.ask(head + b"3\r\nabc\r\n0\r\n" + loose + b"\r\n\r\n"), 431)
    assert edge.came == []


LOOSE = {"a trailer": (b"0\r\n", b"x"), "an extension": (b"3\r\nabc\r\n5;", b"x"), "a size": (b"3\r\nabc\r\n", b"0")}


@pytest.mark.parametrize(("start", "loose"), LOOSE.values(), ids=LOOSE)
def test_what_comes_after_a_head_without_end_and_is_no_body_is_bounded(edge: Edge, start: bytes, loose: bytes) -> None:
    pieces = [loose * 1000] * 500
    problem(edge.ask(CHUNKED + b"\r\n" + start, *pieces, last=False), 431)
    assert edge.came == []


def test_chunks_of_a_byte_are_a_body_all_the_same(edge: Edge) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert statuses(edge.ask(head, *[b"1;a=b\r\nx\r\n"] * 5000, b"0\r\n\r\n")) == [b"200"]
    assert edge.came[0][3] == b"x" * 5000


def test_a_head_as_long_as_it_may_be_is_taken(edge: Edge) -> None:
    assert statuses(edge.ask(get(b"/", b"X: " + b"x" * (MAX_HEAD_BYTES - 100)))) == [b"200"]
    many = b"".join(get(b"/%d" % number, b"X: " + b"x" * 9000) for number in range(50))  # far longer all together
    assert statuses(edge.ask(many)) == [b"200"] * 50


def test_what_came_before_a_mistake_is_answered_and_the_mistake_ends_the_connection(edge: Edge) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(post(b"/held", b"1") + get(b"/2") + b"no request\r\n\r\n" + get(b"/3"))
        wait_until(lambda: edge.server.server_state.total_requests == 0, timeout=30, what="the requests to come")
        edge.hold.set()
        answer = read_all(connection)
    assert statuses(answer) == [b"200", b"200"]
    assert b"connection: close" in answer.rpartition(b"HTTP/1.1 ")[2]
    assert [path for _, path, _, _ in edge.came] == ["/held", "/2"]


def test_who_reads_a_body_that_turns_out_wrong_is_told_that_there_is_no_more(edge: Edge) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    problem(edge.ask(head, b"3\r\nabc\r\n", b"no chunk\r\n"), 400)
    wait_until(lambda: edge.gone, timeout=30, what="the application to hear of it")
    assert (edge.came, edge.gone) == ([], ["/1"])


SLOW = {
    "nothing at all": (b"", None),
    "a piece of the request line": (b"GET /1 HT", 408),
    "a piece of the headers": (b"GET /1 HTTP/1.1\r\nHost: local", 408),
    "a piece of the body": (post(b"/1", b"x" * 100)[:-50], 408),
    "no chunk": (b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", 408),
}


@pytest.mark.parametrize(("sent", "status"), SLOW.values(), ids=SLOW)
def test_who_keeps_us_waiting_is_told_and_cut(edge: Edge, sent: bytes, status: int | None) -> None:
    with edge.connect() as connection:
        connection.sendall(sent)
        wait_until(lambda: received(edge) or not sent, timeout=30, what="the bytes to come")
        wait_until(lambda: edge.connections(), timeout=30, what="the connection")
        edge.pass_seconds(8)
        assert edge.connections(), "there is patience for a while"
        edge.pass_seconds(4)
        answer = read_all(connection)
    assert edge.came == []
    if status is None:
        assert answer == b""
    else:
        assert "is to" in problem(answer, status)["detail"]


def received(edge: Edge) -> bool:
    connections = edge.connections()
    return bool(connections) and all(each.head_bytes or not each.is_in_head for each in connections)


def more_than(edge: Edge, body_bytes: int) -> bool:
    return sum(each.body_bytes for each in edge.connections()) > body_bytes


def test_a_header_a_second_is_too_slow_and_a_body_of_a_kilobyte_a_second_is_not(edge: Edge) -> None:
    with edge.connect() as slow, edge.connect() as steady:
        slow.sendall(b"GET /1 HTTP/1.1\r\n")
        steady.sendall(post(b"/2", b"x" * 20 * 1024, b"Connection: close")[: -20 * 1024])
        wait_until(lambda: len(edge.connections()) == 2 and received(edge), timeout=30, what="both")
        for number in range(19):
            if number < 10:
                slow.sendall(b"X%d: y\r\n" % number)
            steady.sendall(b"x" * 1024)
            wait_until(partial(more_than, edge, number * 1024), timeout=30, what="a kilobyte")
            edge.pass_seconds(1)
        problem(read_all(slow), 408)
        steady.sendall(b"x" * 1024)
        assert statuses(read_all(steady)) == [b"200"]
    assert [path for _, path, _, _ in edge.came] == ["/2"]


def test_who_reads_nothing_of_a_long_answer_is_cut_and_who_reads_slowly_is_not(edge: Edge) -> None:
    with edge.connect() as stuck:
        stuck.sendall(get(b"/large"))
        wait_until(
            lambda: any(each.flow.write_paused for each in edge.connections()),
            timeout=30,
            what="the answer to wait for its reader",
        )
        edge.pass_seconds(50)
        assert edge.connections()
        edge.pass_seconds(15)
        wait_until(lambda: not edge.connections(), timeout=30, what="the connection to be cut")


@pytest.mark.parametrize("edge", [{"limit_concurrency": 6}], indirect=True)
def test_beyond_the_bound_there_is_a_problem_and_livez_answers(edge: Edge) -> None:
    edge.hold.clear()
    busy = [edge.connect() for _ in range(5)]
    try:
        for connection in busy:
            connection.sendall(get(b"/held"))
        wait_until(lambda: len(edge.server.server_state.tasks) == 5, timeout=30, what="five requests")
        document = problem(edge.ask(get(b"/6"), last=False), 503)
        assert "as many connections" in document["detail"]
        assert document["instance"] == "/6"
        assert statuses(edge.ask(get(b"/livez", b"Connection: close"), last=False)) == [b"200"]
    finally:
        edge.hold.set()
        for connection in busy:
            connection.close()


@pytest.mark.parametrize("edge", [{"limit_concurrency": 5}], indirect=True)
def test_idle_connections_keep_nobody_out(edge: Edge) -> None:
    idle = []
    try:
        for _ in range(10):
            idle.append(edge.connect())
            idle[-1].sendall(get(b"/1"))
            assert idle[-1].recv(1000).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("edge", [{"is_watched": True}], indirect=True)
def test_connections_are_looked_at_as_time_passes(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0)
    with edge.connect() as silent:
        assert read_all(silent) == b"", "it is closed within seconds"
