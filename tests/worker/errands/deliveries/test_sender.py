"""One attempt: only to addresses that were looked at, over TLS that names the receiver, and within bounds."""

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.addresses.receivers import Receivers
from tests.receivers import Receiver, Reply, receiving
from worker.errands.deliveries import sender as of_sender
from worker.errands.deliveries.sender import MOST_SHOWN, Answer, Sender, resolved

HERE, SECRET = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def secret() -> Iterator[Receiver]:
    """A server that nobody may reach."""
    with receiving(SECRET) as secret:
        yield secret
        assert secret.connections == 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(HERE) as receiver:
        yield receiver


def send(
    url: str, resolve: Callable[[str, int], Sequence[str]] = resolved, context: ssl.SSLContext | None = None
) -> Answer:
    sender = Sender(Receivers([HERE, "::1"]), resolve=resolve, context=context)
    return asyncio.run(sender.send(url, {"webhook-id": "msg_1"}, b"{}"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, secret: Receiver, status: int) -> None:
    receiver.answer = lambda _: Reply(status, {"Location": secret.url})
    answer = send(receiver.url)
    assert (answer.is_welcome, answer.status, answer.problem) == (False, status, f"it answered {status}")
    assert len(receiver.messages) == 1


def test_a_name_that_means_something_else_the_second_time_is_asked_for_once(receiver: Receiver) -> None:
    with receiving(SECRET) as secret:
        secret.port, asked = receiver.port, []

        def rebinding(host: str, port: int) -> list[str]:
            asked.append((host, port))
            return [HERE] if len(asked) == 1 else [SECRET]

        url = f"http://rebinding.example:{receiver.port}/x"
        assert send(url, rebinding).status == 204
        assert asked == [("rebinding.example", receiver.port)]
        assert receiver.messages[0].headers["host"] == f"rebinding.example:{receiver.port}"
        assert secret.connections == 0


@pytest.mark.parametrize("found", [[SECRET], [HERE, SECRET], [SECRET, HERE], ["8.8.8.8", HERE], ["169.254.169.254"]])
def test_one_address_that_may_not_be_dialled_spoils_all(receiver: Receiver, secret: Receiver, found: list[str]) -> None:
    answer = send(f"http://mixed.example:{receiver.port}/x", lambda *_: found)
    assert answer.problem is not None
    assert "TENFOLD_WEBHOOK_ALLOW" in answer.problem
    assert receiver.connections == 0
    assert not any(address in answer.problem for address in found), "nobody learns what names mean within our network"


def test_the_next_address_is_dialled_where_nobody_answers_at_the_first(receiver: Receiver) -> None:
    assert send(f"http://two.example:{receiver.port}/x", lambda *_: ["::1", HERE]).status == 204


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, secret: Receiver, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (variable, variable.lower()):
        monkeypatch.setenv(name, secret.url)
    assert send(receiver.url).status == 204


def test_what_cannot_be_resolved_or_reached_is_told_without_an_address(receiver: Receiver) -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    assert send("http://nowhere.example/", unknown).problem == "nowhere.example cannot be resolved"
    assert send("http://nowhere.example/", lambda *_: []).problem == "nowhere.example cannot be resolved"
    with socket.socket() as unheard:
        unheard.bind((HERE, 0))
        assert send(f"http://{HERE}:{unheard.getsockname()[1]}/").problem == "no connection could be made"


def test_of_a_long_answer_a_little_is_read_and_less_is_shown(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, {"Content-Length": str(10**12)}, b"x" * 100_000)
    answer = send(receiver.url)
    assert (answer.is_welcome, answer.shown) == (True, "x" * MOST_SHOWN)


def test_an_answer_is_not_inflated(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b no gzip")
    assert send(receiver.url).is_welcome


@contextmanager
def saying(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that says what it likes, until whoever asked it has left; gives its URL."""
    with socket.create_server((HERE, 0)) as server:

        def serve() -> None:
            asking, _ = server.accept()
            with asking:
                try:
                    talk(asking)
                    while asking.recv(65536):
                        pass
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://{HERE}:{server.getsockname()[1]}/"
        with socket.create_connection(server.getsockname()):  # should nobody else have come in time
            thread.join(10)
        assert not thread.is_alive()


def _drips(asking: socket.socket) -> None:
    asking.sendall(b"HTTP/1.1 200 OK\r\n")
    while not _left(asking):
        asking.sendall(b"X: y\r\n")


def _interim(asking: socket.socket) -> None:
    while not _left(asking):
        asking.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def _left(asking: socket.socket) -> bool:
    asking.settimeout(0.02)
    try:
        return asking.recv(65536) == b""
    except TimeoutError:
        return False


@pytest.mark.parametrize("talk", [lambda _: None, _drips, _interim], ids=["hangs", "drips", "interim"])
def test_all_of_an_attempt_has_an_end(talk: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_sender, "SECONDS", 0.2)
    with saying(talk) as url:
        assert send(url).problem == "it did not answer within 0.2 s"


def test_who_is_not_let_in_does_not_wait_for_all_of_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_sender, "CONNECT_SECONDS", 0.1)
    with socket.socket() as full, ExitStack() as opened:
        full.bind((HERE, 0))
        full.listen(0)
        for _ in range(4):  # as many as it queues, and more
            one = opened.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        assert send(f"http://{HERE}:{full.getsockname()[1]}/").problem == "nothing answered within 0.1 s"


def test_the_times_and_lengths_of_an_attempt_are_those_of_the_page() -> None:
    bounds = (of_sender.CONNECT_SECONDS, of_sender.SECONDS, of_sender.MOST_READ, of_sender.MOST_SHOWN)
    assert bounds == (5, 10, 64 * 1024, 2 * 1024)


def test_who_waits_for_a_name_waits_no_longer_and_keeps_nobody_else_waiting(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_sender, "SECONDS", 0.5)
    let_go, asked = threading.Event(), list[str]()

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return [HERE] if host == "quick.example" or let_go.wait(30) else []

    async def all_at_once() -> list[Answer]:
        sender = Sender(Receivers([HERE]), resolve=resolve)
        slow = [f"http://{host}.example:{receiver.port}/" for host in ("slow", "other") for _ in range(20)]
        urls = [*slow, f"http://quick.example:{receiver.port}/"]
        return list(await asyncio.gather(*(sender.send(url, {"webhook-id": "msg_1"}, b"{}") for url in urls)))

    try:
        answers = asyncio.run(all_at_once())
    finally:
        let_go.set()
    assert answers[-1].is_welcome
    assert {answer.problem for answer in answers[:-1]} == {"it did not answer within 0.5 s"}
    assert sorted(asked) == ["other.example", "quick.example", "slow.example"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"SSH-2.0-x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "no HTTP"),
        (None, "no HTTP|the connection broke off"),  # by whether what was sent had been read
    ],
)
def test_what_is_no_http_is_told(said: bytes | None, told: str) -> None:
    def talk(asking: socket.socket) -> None:
        if said is None:
            asking.shutdown(socket.SHUT_RDWR)
        else:
            asking.sendall(said)

    with saying(talk) as url:
        assert re.search(told, str(send(url).problem))


OPENSSL = shutil.which("openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for receiver.example, with its key."""
    if OPENSSL is None:
        pytest.skip("needs openssl")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    name = ["-subj", "/CN=receiver.example", "-addext", "subjectAltName=DNS:receiver.example"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(file)]
    made = subprocess.run([OPENSSL, "req", "-x509", *key, *name], capture_output=True, check=True)
    file.write_bytes(file.read_bytes() + made.stdout)
    return file


def test_a_receiver_is_known_by_its_name_and_not_by_the_address_that_is_dialled(certificate: Path) -> None:
    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with receiving(HERE, context) as receiver:
        url = f"https://receiver.example:{receiver.port}/x"
        assert send(url, lambda *_: [HERE], context=trusting).status == 204
        assert (named, receiver.messages[0].headers["host"]) == (
            ["receiver.example"],
            f"receiver.example:{receiver.port}",
        )
        other = send(f"https://other.example:{receiver.port}/x", lambda *_: [HERE], context=trusting)
        assert "certificate cannot be trusted" in str(other.problem)
        assert "certificate cannot be trusted" in str(send(url, lambda *_: [HERE]).problem)
        assert len(receiver.messages) == 1
    with receiving(HERE) as plain:
        told = send(f"https://receiver.example:{plain.port}/x", lambda *_: [HERE], context=trusting)
        assert told.problem == "no TLS connection could be made"
