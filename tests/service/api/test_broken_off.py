"""What a client breaks off costs a line of the log, on a server as it runs in earnest."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.processes.supervisor import free_port
from tests.running import answers
from tests.waiting import wait_until

BEGUN = b"Host: localhost\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n{"
LINE = "POST /datasets was broken off by its client"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port and log of an API that runs alone."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    command = [sys.executable, "-m", "service.cli", "api", "--home", str(home), "--port", str(port)]
    log = home / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}"), timeout=60, what="the API to answer")
            yield port, log
        finally:
            process.kill()


def break_off(port: int, request: str, kind: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.encode() + b" HTTP/1.1\r\n" + BEGUN % kind)
        # What is sent and not read by the other side would make this a reset.
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        connection.recv(1)


def test_an_upload_that_breaks_off_is_a_line(served: tuple[int, Path]) -> None:
    port, log = served
    before = log.read_text()
    for name in ("a", "b%0a2026 CRITICAL forged", "c"):
        break_off(port, f"POST /datasets?name={name}", b"text/csv")
    wait_until(lambda: log.read_text().count(LINE) >= 2, timeout=30, what="the lines")
    said = log.read_text().removeprefix(before).splitlines()
    assert [line.endswith(LINE) for line in said] == [True] * len(said)


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("POST /jobs", b"application/json"),
        ("POST /sweeps", b"application/json"),
        ("POST /models", b"application/json"),
        ("PUT /models/mnist/aliases/champion", b"application/json"),
        ("POST /predict", b"application/json"),
        ("POST /predict", b"multipart/form-data; boundary=x"),
        ("POST /predict", b"image/png"),
        ("POST /v2/models/default/infer", b"application/json"),
        ("POST /v1/models/default:predict", b"application/json"),
        ("POST /invocations", b"text/csv"),
    ],
)
def test_whatever_else_breaks_off_leaves_no_trace(served: tuple[int, Path], request_line: str, kind: bytes) -> None:
    port, log = served
    before = log.read_text().count("\n")
    break_off(port, request_line, kind)
    break_off(port, "POST /datasets?name=last", b"text/csv")  # what comes of it is in the log behind the other
    wait_until(lambda: log.read_text().count("\n") > before, timeout=30, what="the line")
    assert "Traceback" not in log.read_text()
    assert log.read_text().count("\n") - before <= 2
