"""The fast path of predictions through uvicorn's protocol: the same answers, in the same order, for less work."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from models import inference
from service.api.app import create_app
from service.artifacts import Artifacts
from service.predict.batcher import Batcher, Pace
from service.predict.fast_path import FastPathProtocol
from service.predict.served import Served, scorer
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.forms import LETTERS, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored, weights_of
from tests.pixels import JSON, RAW, images
from tests.records import succeeded, weights
from tests.service.conftest import MadeOnce
from tests.waiting import wait_until

NETWORK = inference.read(weights(seed=0))
PIXELS = images(1)
IMAGE = {"image": PIXELS[0].tolist()}
INFER = "/v2/models/default/infer"


class Serving:
    """The API behind a socket of this process, and which requests have come to the application."""

    def __init__(self, settings: Settings, *, access_log: bool) -> None:
        self.app = create_app(settings)
        self.came: list[str] = []
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            http=FastPathProtocol,
            host="127.0.0.1",
            port=0,
            access_log=access_log,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.came.append(scope["path"])
        await self.app(scope, receive, send)

    @property
    def address(self) -> tuple[str, int]:
        address: tuple[str, int] = self.server.servers[0].sockets[0].getsockname()
        return address

    def served(self, compute: Callable[[NDArray[Any]], NDArray[Any]] | None = None) -> Served:
        """Give the network that answers; its batches are computed so, in a thread, if it is said how."""
        (known,) = self.app.state.dependencies.predictor._known.values()
        served: Served = known.pick()
        if compute is not None:
            object.__setattr__(served, "batcher", Batcher(compute, Pace(1.0, 0.0)))
        return served


@contextmanager
def running(settings: Settings, *, access_log: bool = False) -> Iterator[Serving]:
    serving = Serving(settings, access_log=access_log)
    serving.thread.start()
    try:
        wait_until(lambda: serving.server.started, timeout=30, what="the server to listen")
        yield serving
    finally:
        serving.server.should_exit = True
        serving.thread.join(30)
        assert not serving.thread.is_alive()


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    return made_once("mnist", succeeded)


@pytest.fixture
def serving(settings: Settings, model: str) -> Iterator[Serving]:
    """A server whose network is loaded; nobody has asked it for anything yet."""
    with running(settings) as serving:
        serving.app.state.dependencies.predictor._clock = lambda: 0.0  # what was looked up stays good
        with client_of(serving) as client:
            assert client.post("/predict", json=IMAGE).status_code == 200
        assert serving.came == ["/predict"], "what is not at hand is the application's to find"
        serving.came.clear()
        yield serving


@pytest.fixture
def client(serving: Serving) -> Iterator[httpx.Client]:
    with client_of(serving) as client:
        yield client


def client_of(serving: Serving) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{serving.address[1]}", timeout=30)


def raw(path: str, body: bytes, *headers: str) -> bytes:
    """Give a request as it is sent."""
    head = "".join(f"{header}\r\n" for header in ("Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers))
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


BYTES = "Content-Type: application/octet-stream"


def tensor(**more: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": PIXELS.ravel().tolist()}],
        "id": "mine",
        **more,
    }


def with_bytes() -> dict[str, Any]:
    about: dict[str, Any] = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8"}
    about["parameters"] = {"binary_data_size": 784}
    head = json.dumps({"inputs": [about], "id": "mine", "parameters": {"binary_data_output": True}}).encode()
    return {"content": head + PIXELS.tobytes(), "headers": {"Inference-Header-Content-Length": str(len(head))}}


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/predict", {"json": IMAGE}),
        ("/predict", {"json": {"model": "mnist", **IMAGE}}),
        ("/predict", {"json": {"model": "mnist/1", "image": (PIXELS[0] / 1.7).tolist()}}),
        ("/predict", {"content": PIXELS.tobytes(), "headers": RAW}),
        (INFER, {"json": tensor()}),
        ("/v2/models/mnist/versions/1/infer", {"json": tensor(outputs=[{"name": "digit"}])}),
        (INFER, with_bytes()),
    ],
    ids=["json", "model", "fractions", "bytes", "OIP", "OIP version", "OIP bytes"],
)
def test_the_answer_is_the_one_that_the_application_gives(
    serving: Serving, client: httpx.Client, settings: Settings, path: str, request_: dict[str, Any]
) -> None:
    with TestClient(create_app(settings), base_url="http://localhost") as other:
        expected = other.post(path, **request_)
    client.post(path, **request_)  # whose reference may not be at hand yet
    serving.came.clear()
    answer = client.post(path, **request_)
    assert serving.came == []
    assert (answer.status_code, answer.content) == (200, expected.content)
    del answer.headers["date"]
    assert answer.headers == expected.headers


ROW = dict(zip([column.name for column in WINE.columns], range(1, 14), strict=True))
PASSENGER = {"Pclass": "1", "Sex": "female", "Age": 38.5, "alone": "no"}


ASKED: list[tuple[dict[str, Any], bool]] = [
    ({"row": ROW, "model": "wine"}, True),
    ({"row": {name: value / 7 for name, value in ROW.items()}, "model": "wine/1"}, True),
    ({"row": PASSENGER, "model": "titanic"}, True),
    ({"row": PASSENGER | {"Age": "38.5", "alone": True}, "model": "titanic"}, True),
    ({"image": stored(LETTERS, 1)[0].tolist(), "model": "letters"}, True),
    ({"row": PASSENGER | {"Age": None}, "model": "titanic"}, False),
    ({"rows": [ROW], "model": "wine"}, False),
]


def test_rows_and_images_of_any_size_go_fast_where_nothing_is_to_be_noted(
    serving: Serving, client: httpx.Client, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    forms: dict[str, Any] = {"wine": (WINE, WINE_PLAN), "titanic": (TITANIC, TITANIC_PLAN), "letters": (LETTERS,)}
    for name, form in forms.items():
        succeeded(store, artifacts, model=name, file=weights_of(*form))
    with TestClient(create_app(settings), base_url="http://localhost") as other:
        for asked, goes_fast in ASKED:
            expected = other.post("/predict", json=asked)
            assert expected.status_code == 200, expected.text
            client.post("/predict", json=asked)  # whose reference is not at hand yet
            serving.came.clear()
            answer = client.post("/predict", json=asked)
            assert serving.came == ([] if goes_fast else ["/predict"]), asked
            assert (answer.status_code, answer.content) == (200, expected.content)


@pytest.mark.parametrize(
    ("path", "request_", "status"),
    [
        ("/predict", {"json": {"images": [IMAGE["image"]] * 2}}, 200),
        ("/predict?top_k=3", {"json": IMAGE}, 200),
        ("/predict", {"json": IMAGE, "headers": {"Accept": "application/x-ndjson"}}, 200),
        ("/predict", {"content": iter([PIXELS.tobytes()]), "headers": RAW}, 200),
        ("/predict", {"content": PIXELS.tobytes(), "headers": {**RAW, "Expect": "100-continue"}}, 200),
        ("/predict", {"content": b"\0\xff" * 39_200, "headers": RAW}, 200),
        ("/predict", {"json": {"image": [[0] * 28] * 27 + [[300] * 28]}}, 422),
        ("/predict", {"json": {"model": "nobody", **IMAGE}}, 404),
        ("/predict", {"content": b"{", "headers": JSON}, 400),
        ("/predict", {"content": b"", "headers": JSON}, 400),
        ("/predict", {"content": b"hello", "headers": {"Content-Type": "text/plain"}}, 415),
        ("/predict", {"json": IMAGE, "headers": {"Host": "elsewhere.example"}}, 400),
        ("/predict", {"json": IMAGE, "headers": {"Origin": "http://elsewhere.example"}}, 403),
        (INFER, {"json": tensor(inputs=[])}, 400),
        ("/v2/models/nobody/infer", {"json": tensor()}, 404),
        ("/invocations", {"json": {"inputs": PIXELS.reshape(1, 784).tolist()}}, 200),
        ("/jobs", {"json": {"family": "none"}}, 422),
    ],
)
def test_all_else_is_the_applications(
    serving: Serving, client: httpx.Client, path: str, request_: dict[str, Any], status: int
) -> None:
    answer = client.post(path, **request_)
    assert answer.status_code == status, answer.text
    assert len(serving.came) == 1
    if status >= 400 and path == "/predict":
        problem(answer, status)


def test_answers_come_in_the_order_of_the_requests_whichever_way_they_go(serving: Serving) -> None:
    requests = [
        raw("/predict", PIXELS.tobytes(), BYTES),
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        raw("/predict", b"short", BYTES),
        raw("/predict", PIXELS.tobytes(), BYTES),
        raw("/predict", PIXELS.tobytes(), BYTES),
        raw("/predict", PIXELS.tobytes(), BYTES, "Connection: close"),
    ]
    with socket.create_connection(serving.address, timeout=30) as connection:
        connection.sendall(b"".join(requests))
        answers = read_all(connection)
    assert [answer.status for answer in answers] == [200, 200, 422, 200, 200, 200]
    assert ["probabilities" in answer.body for answer in answers] == [True, False, False, True, True, True]
    assert [answer.is_last for answer in answers] == [False] * 5 + [True]
    assert serving.came == ["/livez", "/predict"]


@pytest.mark.parametrize("path", ["/predict", "/predict?top_k=3"], ids=["short", "long"])
def test_no_more_is_read_than_is_answered(serving: Serving, path: str) -> None:
    requests = raw(path, PIXELS.tobytes(), BYTES) * 300
    most = answered = 0
    with socket.create_connection(serving.address, timeout=30) as connection:

        def send() -> None:
            for _ in range(20):
                connection.sendall(requests)
            connection.sendall(raw(path, PIXELS.tobytes(), BYTES, "Connection: close"))

        sending = threading.Thread(target=send)
        sending.start()
        with connection.makefile("rb") as file:
            while line := file.readline():
                answered += line.count(b"HTTP/1.1 200 OK")
                protocols: list[Any] = list(serving.server.server_state.connections)
                most = max([most, *(len(protocol.pipeline) for protocol in protocols)])
        sending.join(30)
    assert answered == 20 * 300 + 1
    assert most < 1000, "a read is of 256 KiB at most, and a request of 900 bytes"


def test_a_length_of_thousands_of_digits_is_no_number_to_fail_at(serving: Serving) -> None:
    image = raw("/predict", PIXELS.tobytes(), BYTES)
    long = image.replace(b"Content-Length: ", b"Content-Length: " + b"0" * 5000)
    last = raw("/predict", PIXELS.tobytes(), BYTES, "Connection: close")
    with socket.create_connection(serving.address, timeout=10) as connection:
        connection.sendall(long + image + long + last)
        answers = read_all(connection)
    assert [answer.status for answer in answers] == [200] * 4
    assert serving.came == ["/predict"] * 2


def test_a_length_of_thousands_of_digits_is_none_where_the_body_comes_in_pieces_either(serving: Serving) -> None:
    request = raw("/predict", PIXELS.tobytes(), BYTES, "Connection: close")
    request = request.replace(b"Content-Length: ", b"Content-Length: " + b"0" * 5000)
    with socket.create_connection(serving.address, timeout=30) as connection:
        connection.sendall(request[:-100])
        wait_until(lambda: serving.came == ["/predict"], timeout=10, what="the application to be asked")
        connection.sendall(request[-100:])
        (answer,) = read_all(connection)
    assert "probabilities" in answer.body


def test_a_body_may_come_in_pieces(serving: Serving) -> None:
    with socket.create_connection(serving.address, timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = raw("/predict", PIXELS.tobytes(), BYTES, "Connection: close")
        for start in range(0, len(request), 50):
            connection.sendall(request[start : start + 50])
        (answer,) = read_all(connection)
    assert "probabilities" in answer.body
    assert serving.came == []


class Answer:
    """An answer as it was read from a connection."""

    def __init__(self, head: str, body: str) -> None:
        self.status = int(head.split()[1])
        self.is_last = "connection: close" in head
        self.body = body


def read_all(connection: socket.socket) -> list[Answer]:
    """Read answers until the other side closes the connection."""
    with connection.makefile("rb") as file:
        answers = []
        while head := b"".join(iter(file.readline, b"\r\n")).decode():
            lengths = [line.split(": ")[1] for line in head.splitlines() if line.startswith("content-length")]
            answers.append(Answer(head, file.read(int(lengths[0])).decode()))
            if answers[-1].is_last:
                assert file.read() == b""
                break
        return answers


def test_each_of_many_clients_gets_the_answers_to_its_own_images(serving: Serving) -> None:
    pixels = images(40)
    expected = NETWORK.probabilities(pixels)

    def ask(_: int) -> list[list[float]]:
        with client_of(serving) as client:
            answers = [client.post("/predict", content=image.tobytes(), headers=RAW) for image in pixels]
        return [answer.json()["probabilities"] for answer in answers]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(ask, range(8)):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_nothing_is_computed_for_who_has_left(serving: Serving) -> None:
    entered, opened, computed = threading.Event(), threading.Event(), list[int]()

    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        entered.set()
        assert opened.wait(30)
        computed.append(len(rows))
        return scorer(NETWORK, 1.0)(rows)

    batcher = serving.served(compute).batcher
    staying = socket.create_connection(serving.address, timeout=30)
    staying.sendall(raw("/predict", PIXELS.tobytes(), BYTES))
    assert entered.wait(30)
    with socket.create_connection(serving.address, timeout=30) as leaving:
        leaving.sendall(raw("/predict", PIXELS.tobytes(), BYTES))
        wait_until(lambda: batcher.waiting == 1, timeout=10, what="the second image to wait")
        # Closed without that, it could be one who sends no more and is waiting.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with client_of(serving) as client:  # one turn of the loop, at least, later
        assert client.get("/livez").status_code == 200
    opened.set()
    with staying:
        assert staying.recv(15) == b"HTTP/1.1 200 OK"
    wait_until(lambda: batcher.waiting == 0, timeout=10, what="the queue to be looked through")
    assert computed == [1]


def test_who_leaves_while_the_answer_is_on_its_way_is_not_counted_as_answered(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    computed = threading.Event()

    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        for connection in list(serving.server.server_state.connections):
            connection.transport.abort()
        computed.set()
        return scorer(NETWORK, 1.0)(rows)

    object.__setattr__(serving.served(), "batcher", Batcher(compute, Pace(0.0, 0.0)))  # in the loop
    with socket.create_connection(serving.address, timeout=30) as connection:
        # The first is the one that is computed, the second the one that is told that the client has left.
        connection.sendall(raw(INFER, PIXELS.tobytes(), "Inference-Header-Content-Length: 0") * 2)
        assert computed.wait(30)
        with client_of(serving) as client:
            (stats,) = client.get("/v2/models/default/stats").json()["model_stats"]
    assert stats["inference_count"] == 0
    assert "Exception in callback" not in caplog.text


def test_who_waits_when_the_server_is_to_stop_is_answered(serving: Serving) -> None:
    entered, opened = threading.Event(), threading.Event()

    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        entered.set()
        assert opened.wait(30)
        return scorer(NETWORK, 1.0)(rows)

    serving.served(compute)
    with socket.create_connection(serving.address, timeout=30) as connection:
        connection.sendall(raw("/predict", PIXELS.tobytes(), BYTES))
        assert entered.wait(30)
        serving.server.should_exit = True
        wait_until(lambda: not serving.server.servers[0].is_serving(), timeout=10, what="the server to be told")
        opened.set()
        (answer,) = read_all(connection)
    assert "probabilities" in answer.body
    assert answer.is_last
    serving.thread.join(30)
    assert not serving.thread.is_alive()


def test_whose_body_does_not_come_is_told_when_the_server_stops(serving: Serving) -> None:
    serving.server.config.timeout_graceful_shutdown = 1
    with socket.create_connection(serving.address, timeout=10) as connection:
        connection.sendall(raw("/predict", PIXELS.tobytes(), BYTES)[:-1])
        with client_of(serving) as client:  # one turn of the loop, at least, later
            assert client.get("/livez").status_code == 200
        serving.server.should_exit = True
        assert connection.recv(12) == b"HTTP/1.1 503"


def test_whose_body_comes_while_the_server_stops_is_answered(serving: Serving) -> None:
    request = raw("/predict", PIXELS.tobytes(), BYTES)
    with socket.create_connection(serving.address, timeout=10) as connection:
        connection.sendall(request[:-1])
        with client_of(serving) as client:
            assert client.get("/livez").status_code == 200
        serving.server.should_exit = True
        wait_until(lambda: not serving.server.servers[0].is_serving(), timeout=10, what="the server to be told")
        connection.sendall(request[-1:])
        (answer,) = read_all(connection)
    assert "probabilities" in answer.body
    assert answer.is_last


def test_what_fails_when_it_is_computed_is_told_by_the_application(serving: Serving, client: httpx.Client) -> None:
    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        raise ArithmeticError("no more numbers")

    serving.served(compute)
    problem(client.post("/predict", json=IMAGE), 500)
    assert serving.came == ["/predict"]


def test_a_queue_that_is_full_is_told_by_the_application(serving: Serving, client: httpx.Client) -> None:
    serving.served().batcher.most_waiting = 0
    problem(client.post("/predict", json=IMAGE), 429)


def test_what_is_asked_along_is_asked_on_the_fast_path_too(
    serving: Serving, client: httpx.Client, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts, seed=1)
    alias = "/models/mnist/aliases/champion"
    tag = client.get(alias).headers["etag"]
    assert client.put(alias, json={"version": 1, "shadow": 2}, headers={"If-Match": tag}).status_code == 200

    def compared() -> bool:
        client.post("/predict", json={"model": "mnist@champion", **IMAGE})
        serving.came.clear()
        before = client.get(alias).json()["shadow"]["compared"]
        client.post("/predict", json={"model": "mnist@champion", **IMAGE})
        return bool("/predict" not in serving.came and client.get(alias).json()["shadow"]["compared"] > before)

    wait_until(compared, timeout=10, what="the shadow to be asked along")


def test_requests_of_the_fast_path_are_counted(serving: Serving, client: httpx.Client) -> None:
    for _ in range(3):
        assert client.post(INFER, json=tensor()).status_code == 200
    assert serving.came == []
    (stats,) = client.get("/v2/models/default/stats").json()["model_stats"]
    assert stats["inference_count"] == 3


@pytest.mark.parametrize("logs", [False, True])
def test_a_server_that_logs_requests_logs_them_all(
    settings: Settings, store: Store, artifacts: Artifacts, logs: bool
) -> None:
    succeeded(store, artifacts)
    with running(settings, access_log=logs) as serving, client_of(serving) as client:
        serving.app.state.dependencies.predictor._clock = lambda: 0.0
        for _ in range(2):
            assert client.post("/predict", json=IMAGE).status_code == 200
        assert len(serving.came) == (2 if logs else 1)
