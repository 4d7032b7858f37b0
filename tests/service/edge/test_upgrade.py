"""Who wishes another protocol is answered as HTTP/1.1, and a body is the request's."""

import pytest

from service.edge.head import MAX_HEAD_BYTES
from tests.service.edge.conftest import HOST, Edge, get, post, problem, statuses

CLOSING = b"Connection: close, UPGRADE"

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


def test_any_number_of_wishes_may_come_at_once(edge: Edge) -> None:
    count = 3000
    answer = edge.ask(get(b"/1", b"Connection: Upgrade", b"Upgrade: h2c") * count)
    assert statuses(answer) == [b"200"] * count


def test_who_wishes_a_tunnel_or_has_a_head_too_long_besides_is_refused_for_that(edge: Edge) -> None:
    lines = (b"Connection: Upgrade", b"Upgrade: h2c")
    problem(edge.ask(get(b"/1", *lines, b"X: " + b"x" * MAX_HEAD_BYTES), last=False), 431)
    problem(edge.ask(get(b"/1", *lines, b"Host: localhost"), last=False), 400)
    assert edge.came == []
