"""A connection ends behind its last answer, which arrives; and nothing of it stays."""

import socket
import struct

import pytest

from tests.service.edge.conftest import HOST, Edge, get, post, problem, read_all, read_until, statuses
from tests.waiting import wait_until

WAITING = {
    "one request": (get(b"/held"), [b"200"]),
    "several": (get(b"/held") + post(b"/2", b"two") + get(b"/3"), [b"200", b"200", b"200"]),
    "one behind which another breaks off": (get(b"/held") + post(b"/2", b"two")[:-1], [b"200", b"400"]),
    "one behind which a head breaks off": (get(b"/held") + get(b"/2")[:-5], [b"200"]),
}


@pytest.mark.parametrize(("sent", "answers"), WAITING.values(), ids=WAITING)
def test_who_sends_no_more_is_answered(edge: Edge, sent: bytes, answers: list[bytes]) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: ended(edge) or waiting(edge), timeout=30, what="all that is sent")
        edge.hold.set()
        assert statuses(read_all(connection)) == answers


def waiting(edge: Edge) -> bool:
    return bool(edge.connections()) and bool(edge.connections()[0].pipeline)


def ended(edge: Edge) -> bool:
    return bool(edge.connections()) and edge.connections()[0].is_refused


def test_who_breaks_off_a_request_is_told(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(post(b"/1", b"abc")[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert "complete" in problem(read_all(connection), 400)["detail"]
    wait_until(lambda: edge.gone, timeout=30, what="the application to hear of it")
    assert (edge.came, edge.gone) == ([], ["/1"])


def test_who_has_left_before_the_answer_begins_is_found_out_within_two_seconds(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(get(b"/stays"))
        wait_until(lambda: edge.server.server_state.tasks, timeout=30, what="the request")
    wait_until(lambda: ended(edge), timeout=30, what="the end of what is sent")
    edge.pass_seconds(1)
    edge.pass_seconds(1)
    wait_until(lambda: edge.gone, timeout=30, what="the application to hear of it")


def test_who_sends_no_more_and_waits_is_told_that_we_are_at_it(edge: Edge) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(get(b"/held"))
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: ended(edge), timeout=30, what="the end of what is sent")
        edge.pass_seconds(1)
        edge.pass_seconds(100)
        edge.hold.set()
        assert statuses(read_all(connection)) == [b"100", b"100", b"200"]


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_all_requests_of_who_has_left_are_told(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(get(b"/stays") + get(b"/2"))
        wait_until(lambda: waiting(edge), timeout=30, what="both")
        edge.in_loop(lambda: edge.connections()[0].transport.abort())
        wait_until(lambda: edge.gone, timeout=30, what="the application to hear of it")
    assert (edge.came, edge.gone) == ([], ["/stays"])


def test_a_connection_that_is_reset_leaves_no_timer(edge: Edge) -> None:
    connection = edge.connect()
    connection.sendall(get(b"/1"))
    assert read_until(connection, b"/1 ").startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: edge.connections()[0].timeout_keep_alive_task, timeout=30, what="the timer")
    (left,) = edge.connections()
    reset(connection)
    wait_until(lambda: not edge.connections(), timeout=30, what="the connection to be lost")
    assert left.timeout_keep_alive_task is None


LONG = b"x" * 8 * 2**20
CLOSING = {
    "who asks for it": post(b"/early", LONG, b"Connection: close"),
    "HTTP/1.0": b"POST /early HTTP/1.0\r\n%bContent-Length: %d\r\n\r\n%b" % (HOST, len(LONG), LONG),
}


@pytest.mark.parametrize("sent", CLOSING.values(), ids=CLOSING)
def test_a_last_answer_arrives_though_the_body_is_still_coming(edge: Edge, sent: bytes) -> None:
    with edge.connect() as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert answer.endswith(b"\r\n\r\n/early ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("edge", [{"limit_concurrency": 1}], indirect=True)
def test_who_is_one_too_many_is_told_though_the_body_is_still_coming(edge: Edge) -> None:
    problem(edge.ask(post(b"/1", LONG), last=False), 503)


def test_what_came_before_a_mistake_arrives_though_more_is_still_coming(edge: Edge) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(get(b"/held") + get(b"/2") + b"no request\r\n\r\n")
        wait_until(lambda: ended(edge), timeout=30, what="the mistake")
        connection.sendall(b"x" * 2**20)  # is not read: requests are waiting
        edge.hold.set()
        assert statuses(read_all(connection)) == [b"200", b"200"]


def test_http_1_0_is_sent_no_chunks_and_no_other_word_before_its_answer(edge: Edge) -> None:
    assert b"transfer-encoding: chunked" in edge.ask(get(b"/unsized"))
    answer = edge.ask(b"GET /unsized HTTP/1.0\r\n" + HOST + b"\r\n", last=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (b"transfer-encoding" in head, body) == (False, b"one two")
    expecting = b"POST /1 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" + HOST + b"\r\nabc"
    answer = edge.ask(expecting, last=False)
    assert statuses(answer) == [b"200"]
    assert answer.endswith(b"\r\n\r\n/1 abc")


@pytest.mark.parametrize("path", [b"/broken", b"/unended"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_half_an_answer_is_not_taken_for_whole(edge: Edge, path: bytes, version: bytes) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(b"GET %b HTTP/%b\r\n%b\r\n" % (path, version, HOST))
        assert b"half" in read_until(connection, b"half" if version == b"1.0" else b"half\r\n")
        edge.hold.set()
        if version == b"1.0":
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        else:
            assert connection.recv(1) == b"", "and not the last chunk"


def test_a_trailer_that_ends_the_connection_for_the_parser_ends_it_for_all(edge: Edge) -> None:
    head = b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = edge.ask(head + b"3\r\nabc\r\n0\r\nConnection: close\r\n\r\n", last=False)
    assert statuses(answer) == [b"200"]
    assert b"connection: close" in answer


def test_any_number_of_requests_may_come_and_few_are_held(edge: Edge) -> None:
    count = 3000
    edge.hold.clear()
    with edge.connect() as connection:
        connection.sendall(get(b"/held") + b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * count)
        wait_until(lambda: edge.connections() and edge.connections()[0].pipeline, timeout=30, what="the requests")
        lengths: list[int] = []
        edge.in_loop(lambda: lengths.append(len(edge.connections()[0].pipeline)))
        edge.hold.set()
        connection.sendall(get(b"/last", b"Connection: close"))
        assert statuses(read_all(connection)) == [b"200"] * (count + 2)
    assert lengths[0] < count / 3


@pytest.mark.parametrize("edge", [{"timeout_graceful_shutdown": 0}], indirect=True)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_who_is_not_answered_before_the_server_stops_is_told_to_come_again(
    edge: Edge, version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with edge.connect() as connection:
        connection.sendall(get(b"/stays").replace(b"1.1", version))
        wait_until(lambda: edge.server.server_state.tasks, timeout=30, what="the request")
        edge.server.should_exit = True
        assert "stopping" in problem(read_all(connection), 503)["detail"]
    edge.thread.join(30)
    assert "Exception" not in caplog.text


@pytest.mark.parametrize("edge", [{"timeout_graceful_shutdown": 0}], indirect=True)
def test_who_reads_nothing_does_not_keep_the_server_from_stopping(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with edge.connect() as connection:
        connection.sendall(get(b"/large") * 2)
        wait_until(lambda: edge.server.server_state.total_requests, timeout=30, what="the first answer")
        wait_until(lambda: edge.server.server_state.tasks, timeout=30, what="the second request")
        edge.server.should_exit = True
        edge.thread.join(30)
        assert not edge.thread.is_alive()
    assert "Exception" not in caplog.text
