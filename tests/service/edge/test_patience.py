"""Who keeps us waiting is cut, and told; there is room for those who do not."""

import contextlib
from functools import partial

import pytest

from service.edge import patience
from service.edge.protocol import SPARE
from tests.service.edge.conftest import HOST, Edge, get, post, problem, read_all, read_until, statuses
from tests.waiting import wait_until

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
    with contextlib.ExitStack() as broken:
        for _ in range(10):
            broken.enter_context(edge.connect())
        wait_until(lambda: len(edge.connections()) == 10, timeout=30, what="the connections")
        for connection in edge.connections():
            monkeypatch.setattr(connection, "look", lambda: 1 / 0)
        with edge.connect() as silent:
            assert read_all(silent) == b"", "it is closed within seconds, whatever goes wrong with others"


BEHIND = {"a head": b"GET /2 HTTP/1.1\r\nHost: local", "blank lines": b"\r\n\r\n"}


@pytest.mark.parametrize("apart", [False, True], ids=["in one segment", "in two"])
@pytest.mark.parametrize("begun", BEHIND.values(), ids=BEHIND)
def test_what_begins_where_another_request_ends_is_waited_for_no_longer(edge: Edge, begun: bytes, apart: bool) -> None:
    if begun == BEHIND["blank lines"] and not apart:
        begun = b"\r\nG"  # the parser says only then that something has begun
    with edge.connect() as connection:
        connection.sendall(get(b"/1") + b"" if apart else get(b"/1") + begun)
        assert read_until(connection, b"/1 ").startswith(b"HTTP/1.1 200 ")
        if apart:
            connection.sendall(begun)
        wait_until(lambda: edge.connections()[0].head_bytes, timeout=30, what="the bytes to come")
        edge.pass_seconds(12)
        answer = read_all(connection)
    if begun == BEHIND["blank lines"]:
        assert answer == b"", "which could be taken for the answer to the next request"
    else:
        problem(answer, 408)


def test_a_head_that_we_do_not_read_on_is_not_late(edge: Edge) -> None:
    edge.hold.clear()
    with edge.connect() as connection:
        begun = get(b"/3", b"Connection: close")
        connection.sendall(get(b"/held") + get(b"/2") + begun[:10])
        wait_until(lambda: edge.connections() and edge.connections()[0].head_bytes, timeout=30, what="the requests")
        edge.pass_seconds(12)
        edge.hold.set()
        connection.sendall(begun[10:])
        assert statuses(read_all(connection)) == [b"200"] * 3


def test_a_connection_that_is_answered_before_its_body_has_come_is_closed_when_idle(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(post(b"/early", b"abc")[:-3])
        assert read_until(connection, b"/early ").startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"abc")
        wait_until(lambda: edge.connections()[0].is_idle, timeout=30, what="the body to come")
        timers: list[object] = []
        edge.in_loop(lambda: timers.append(edge.connections()[0].timeout_keep_alive_task))
        assert timers != [None]


def test_who_waits_for_our_word_before_the_body_is_not_late(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(post(b"/unread", b"abc", b"Expect: 100-continue")[:-3])
        wait_until(lambda: edge.connections() and not edge.connections()[0].is_in_head, timeout=30, what="the head")
        edge.pass_seconds(30)
        edge.hold.set()
        assert statuses(connection.recv(1000)) == [b"200"]


def test_who_reads_nothing_of_a_last_answer_is_cut(edge: Edge) -> None:
    with edge.connect() as connection:
        connection.sendall(get(b"/large", b"Connection: close"))
        wait_until(
            lambda: edge.connections() and edge.connections()[0].transport.is_closing(),
            timeout=30,
            what="the answer to wait for its reader",
        )
        edge.pass_seconds(50)
        assert edge.connections()
        edge.pass_seconds(15)
        wait_until(lambda: not edge.connections(), timeout=30, what="the connection to be cut")


def test_who_has_read_is_patient_with_again_however_much_waits_by_now() -> None:
    spent = patience.Patience()
    for second in range(1, 200):
        assert not spent.wait_for_reader(1000)
        if second % 50 == 0:
            spent.has_read()


@pytest.mark.parametrize("edge", [{"limit_concurrency": 4}], indirect=True)
def test_who_still_reads_an_answer_is_not_idle(edge: Edge) -> None:
    with edge.connect() as reading:
        reading.sendall(get(b"/large", b"Connection: close"))
        wait_until(lambda: edge.server.server_state.total_requests, timeout=30, what="the answer to be complete")
        for _ in range(5):
            with edge.connect() as other:
                other.sendall(get(b"/livez"))
                assert other.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert len(read_all(reading).partition(b"\r\n\r\n")[2]) == 64 * 2**20


@pytest.mark.parametrize("edge", [{"limit_concurrency": 4}], indirect=True)
def test_where_others_wait_who_says_nothing_has_a_second_and_a_flood_is_not_heard(edge: Edge) -> None:
    silent = [edge.connect() for _ in range(4 + SPARE)]
    try:
        wait_until(lambda: len(edge.connections()) == 4 + SPARE, timeout=30, what="the connections")
        with edge.connect() as beyond, contextlib.suppress(ConnectionResetError):
            assert beyond.recv(1000) == b""
        edge.pass_seconds(2)
        wait_until(lambda: not edge.connections(), timeout=30, what="those who say nothing to be cut")
        assert statuses(edge.ask(get(b"/1", b"Connection: close"), last=False)) == [b"200"]
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize("edge", [{"limit_concurrency": 4}], indirect=True)
def test_where_others_wait_a_body_that_does_not_come_is_waited_for_less_long(edge: Edge) -> None:
    stalled = [edge.connect() for _ in range(3)]
    try:
        for connection in stalled:
            connection.sendall(post(b"/1", b"abc")[:-1])
        wait_until(lambda: len(edge.connections()) == 3 and received(edge), timeout=30, what="the heads")
        edge.pass_seconds(4)
        assert len(edge.connections()) == 3, "nobody else waits"
        with edge.connect():
            wait_until(lambda: len(edge.connections()) == 4, timeout=30, what="another")
            edge.pass_seconds(1)
            for connection in stalled:
                problem(read_all(connection), 408)
    finally:
        for connection in stalled:
            connection.close()
