"""Raw bytes to a socket: what is a request comes through as it was sent, and all else is refused as a problem."""

import pytest

from service.edge import protocol
from service.edge.head import MAX_HEAD_BYTES
from service.edge.protocol import MAX_TRAILER_BYTES
from tests.service.edge.conftest import HOST, Edge, get, post, problem, read_all, statuses
from tests.waiting import wait_until


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
    "HTTP/2 in form of HTTP/1.1": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    "an address of another scheme": (b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an address without slashes": (b"GET localhost HTTP/1.1\r\n" + HOST + b"\r\n", 400),
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


def test_who_asks_for_a_tunnel_is_told_what_there_is(edge: Edge) -> None:
    head = edge.ask(REFUSED["a tunnel"][0]).partition(b"\r\n\r\n")[0]
    assert b"allow: GET, HEAD, POST, PUT, PATCH, DELETE" in head.splitlines()


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t  "])
def test_blanks_around_a_value_are_none_of_it(edge: Edge, blank: bytes) -> None:
    lines = (b"Host", b"localhost"), (b"X", b"a b"), (b"Y", b""), (b"Expect", b"100-continue")
    head = b"".join(name + b":" + blank + value + blank + b"\r\n" for name, value in lines)
    answer = edge.ask(b"POST /1 HTTP/1.1\r\n" + head + b"Content-Length: 3 \r\n\r\n", b"abc")
    assert statuses(answer) == [b"100", b"200"]
    assert edge.came[0][2:] == ([*((name.lower(), value) for name, value in lines), (b"content-length", b"3")], b"abc")


def test_blanks_behind_a_coding_are_none_of_it(edge: Edge) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked  \r\n\r\n"
    assert statuses(edge.ask(head + b"3\r\nabc\r\n0\r\n\r\n", get(b"/2"))) == [b"200", b"200"]
    assert [body for *_, body in edge.came] == [b"abc", b""]


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


@pytest.mark.parametrize("size", [8_000, 20_000, 300_000])
def test_long_bodies_end_where_the_next_request_begins(edge: Edge, size: int) -> None:
    bodies = [bytes([number]) * (size + number) for number in range(1, 4)]
    together = b"".join(post(b"/%d" % number, body) + get(b"/get") for number, body in enumerate(bodies))
    assert statuses(edge.ask(together)) == [b"200"] * 6
    assert [body for _, _, _, body in edge.came if body] == bodies


def test_a_mistake_behind_a_long_body_is_one_all_the_same(edge: Edge) -> None:
    answer = edge.ask(post(b"/1", b"x" * 50_000) + b"no request\r\n\r\n", last=False)
    assert statuses(answer) == [b"200"]
    assert b"connection: close" in answer


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


@pytest.mark.parametrize("address", [b"http://localhost", b"HTTP://LOCALHOST/", b"http://localhost?a=b"])
def test_an_address_with_the_host_is_that_of_its_path(edge: Edge, address: bytes) -> None:
    assert statuses(edge.ask(b"GET %b HTTP/1.1\r\n%b\r\n" % (address, HOST))) == [b"200"]
    assert [path for _, path, _, _ in edge.came] == ["/"]


def test_the_body_of_a_long_head_may_come_later(edge: Edge) -> None:
    lines = (b"X: " + b"x" * 3 * MAX_TRAILER_BYTES, b"Transfer-Encoding: chunked")
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"".join(b"%b\r\n" % line for line in lines) + b"\r\n"
    assert statuses(edge.ask(head, b"3\r\n", b"abc\r\n", b"0\r\n\r\n")) == [b"200"]
    assert edge.came[0][3] == b"abc"


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["without end", "complete"])
def test_a_head_is_bounded_that_begins_where_another_request_ends(edge: Edge, end: bytes) -> None:
    pieces = [b"x" * 20_000] * 30  # more than can come at once
    answer = edge.ask(get(b"/1") + b"GET /2 HTTP/1.1\r\n" + HOST + b"X: x", *pieces, end, last=False)
    assert statuses(answer)[0] == b"200"
    assert [path for _, path, _, _ in edge.came] == ["/1"]
    assert statuses(edge.ask(get(b"/3") + get(b"/4", b"X: " + b"x" * 2 * MAX_HEAD_BYTES), last=False))[0] == b"200"
    assert [path for _, path, _, _ in edge.came] == ["/1", "/3"]


def test_a_head_that_turns_out_wrong_takes_no_answer_from_the_request_before_it(edge: Edge) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(get(b"/held") + get(b"/2", b"Host: another"))
        wait_until(lambda: edge.connections() and edge.connections()[0].is_refused, timeout=30, what="the second")
        edge.hold.set()
        assert statuses(read_all(connection)) == [b"200"]


def test_a_mistake_of_ours_is_told_as_one_and_written_down(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(protocol, "sound", broken)
    assert "log" in problem(edge.ask(get(b"/1"), last=False), 500)["detail"]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a mistake"]


def test_who_asks_whether_to_send_a_body_is_told_to_and_after_a_refusal_nothing_more_is_said(edge: Edge) -> None:
    head = post(b"/1", b"abc", b"Expect: 100-continue")[:-3]
    with edge.connect() as connection:
        connection.sendall(head)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc" + get(b"/2", b"Connection: close"))
        assert statuses(read_all(connection)) == [b"200", b"200"]
    wrong = b"POST /3 HTTP/1.1\r\nExpect: 100-continue\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n"
    problem(edge.ask(wrong, last=False), 400)
