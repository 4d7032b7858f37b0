"""Answers predictions as other model servers do, as plain ASGI: the Open Inference Protocol, KServe V1, MLflow."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from functools import partial
from time import monotonic, perf_counter_ns
from typing import Any

import numpy as np
import orjson

from service.errors import Invalid
from service.predict.batcher import LARGEST, Rows
from service.predict.compute import computed
from service.predict.executors import READ, apart
from service.predict.fast_path import Pending, pending
from service.predict.predictor import Predictor
from service.predict.receive import MAX_BODY_BYTES, Bodies, ClientLeft, Held, Receive, codings_of, require_plain
from service.predict.reply import Send, reply, reply_problem
from service.predict.requests import SHORT
from service.predict.served import LOGITS, PROBABILITIES, Scores, Served
from service.predict.shadow import Shadow
from service.protocols import requests, responses, scoring
from service.protocols.statistics import Statistics
from service.security import Header

INVOCATIONS = "/invocations"
_INFER = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_V1 = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?:predict")


def reference(model: str, version: str | None = None) -> str | None:
    """Give what the predictor calls a model of this name; `default` is who answers where none is named."""
    name = None if model == "default" and version is None else model
    return name if version is None else f"{name}/{version}"


def answering(served: Served) -> str:
    """Give the version that answers, as this protocol writes it; a job's checkpoint that is none has no number."""
    return "" if served.model.version is None else str(served.model.version)


def require_usual(served: Served) -> None:
    """Refuse a network that is not of MNIST's form, of which alone these protocols know; raises Invalid."""
    if not served.is_usual:
        raise Invalid(
            f"this protocol asks for images of 28 x 28 grey pixels in ten classes, and {served.called} takes "
            f"{served.input.form}: ask it by POST /predict"
        )


def is_infer(path: str) -> bool:
    """Whether a POST to this path is answered here."""
    return path == INVOCATIONS or bool(_INFER.fullmatch(path) or _V1.fullmatch(path))


class Infer:
    """Answers requests of other model servers' clients; all go through the batchers that /predict uses."""

    def __init__(self, predictor: Predictor, bodies: Bodies) -> None:
        self._predictor = predictor
        self._bodies = bodies
        self.statistics = Statistics()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        path: str = scope["path"]
        held, version, model = None, None, "default"
        more: Iterable[Header] = [_JSON]
        if matched := _INFER.fullmatch(path) or _V1.fullmatch(path):
            model, version = matched.groups()
        started = perf_counter_ns()
        try:
            body, held = await self._bodies.take(scope, headers, receive)
            name = reference(model, version)
            served, shadow = await self._predictor.find(name), self._predictor.along_with(name)
            try:
                require_usual(served)
                if path == INVOCATIONS or path.startswith("/v1"):
                    require_plain(scope["headers"])
                    kind = headers.get(b"content-type", b"").decode("latin-1")
                    answer = await self._score(served, path, body, kind, receive, shadow)
                else:
                    answer, more = await self._infer(served, model, version, scope, body, held, receive, shadow)
            except Exception:
                self.statistics.failed(model, answering(served), perf_counter_ns() - started)
                raise
            await reply(send, answer, more)
        except ClientLeft:
            return
        except Exception as error:  # noqa: BLE001 - whoever sent the request is told, and so is the log
            await reply_problem(send, error, path)
        finally:
            self._bodies.give_back(held)

    def start(self, scope: Any, headers: Mapping[bytes, bytes], body: bytes) -> Pending | None:
        """Start to answer the Open Inference Protocol by a network that is at hand; see FastPathProtocol."""
        matched = _INFER.fullmatch(scope["path"])
        if matched is None or b"content-encoding" in headers:
            return None
        began = perf_counter_ns()
        model, version = matched.groups()
        name = reference(model, version)
        asked = requests.read(body, headers.get(b"inference-header-content-length"))
        served = self._predictor.at_hand(name)
        if served is None or not served.is_usual or asked.timeout is not None or len(asked.pixels) > LARGEST:
            return None
        was_read = perf_counter_ns()

        def encode(scores: Scores) -> tuple[Iterable[Header], bytes]:
            were_computed = perf_counter_ns()
            about, answer = _encode(scores, asked, model, version)
            times = (was_read - began, were_computed - was_read, perf_counter_ns() - were_computed)
            self.statistics.succeeded(model, answering(served), len(scores), times)
            return about, answer

        return pending(served, asked.pixels, self._predictor.along_with(name), encode)

    async def _infer(
        self,
        served: Served,
        model: str,
        version: str | None,
        scope: Any,
        body: bytes,
        held: Held | None,
        receive: Receive,
        shadow: Shadow | None,
    ) -> tuple[bytes, Iterable[Header]]:
        began, length = perf_counter_ns(), dict(scope["headers"]).get(b"inference-header-content-length")
        pieces = await self._pieces(body, scope["headers"], held)

        def read() -> requests.Asked:
            return requests.read(b"".join(pieces), length)

        asked = read() if sum(map(len, pieces)) <= SHORT else await apart(READ, read)
        was_read = perf_counter_ns()
        scores = await _scores(served, asked.pixels, receive, asked.timeout, shadow)
        were_computed = perf_counter_ns()
        encode = partial(_encode, scores, asked, model, version)
        # Naming the classes of thousands of images takes half a second.
        about, answer = encode() if len(scores) <= LARGEST else await asyncio.to_thread(encode)
        ended = perf_counter_ns()
        times = (was_read - began, were_computed - was_read, ended - were_computed)
        self.statistics.succeeded(model, answering(served), len(scores), times)
        return answer, about

    async def _pieces(self, body: bytes, headers: Iterable[Header], held: Held | None) -> list[bytes]:
        """Undo the Content-Encoding of a body: what it is inflated to is held as if it had been sent."""
        codings = codings_of(headers)
        if not codings:
            return [body]
        assert held is not None, "a body in a coding counts"
        inflating, pieces = requests.inflated(body, b",".join(codings), MAX_BODY_BYTES), list[bytes]()
        while piece := await apart(READ, next, inflating, b""):
            self._bodies.hold(held, len(piece))
            pieces.append(piece)
        return pieces

    async def _score(
        self, served: Served, path: str, body: bytes, kind: str, receive: Receive, shadow: Shadow | None
    ) -> bytes:
        def read() -> Rows:
            return scoring.invocations(body, kind) if path == INVOCATIONS else scoring.instances(body)

        pixels = read() if len(body) <= SHORT else await apart(READ, read)
        scores = await _scores(served, pixels, receive, None, shadow)
        logits, probabilities = scores[:, LOGITS], scores[:, PROBABILITIES]
        rows = zip(logits.argmax(axis=1).tolist(), logits, probabilities, strict=True)
        predictions = [{"digit": digit, "logits": row, "probabilities": sure} for digit, row, sure in rows]
        return orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY)


_JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")


def _encode(scores: Scores, asked: requests.Asked, model: str, version: str | None) -> tuple[Iterable[Header], bytes]:
    answer, json_length = responses.encode(scores, asked, model, version)
    if json_length is None:
        return [_JSON], answer
    return [_BYTES, (b"inference-header-content-length", b"%d" % json_length)], answer


async def _scores(
    served: Served, pixels: Rows, receive: Receive, timeout: float | None, shadow: Shadow | None
) -> Scores:
    """Have all rows computed, one batch after the other."""
    deadline = None if timeout is None else monotonic() + timeout
    if len(pixels) <= LARGEST:
        return await computed(served, pixels, receive, deadline, shadow)
    batches = [
        await computed(served, pixels[start : start + LARGEST], receive, deadline, shadow, admitted=start > 0)
        for start in range(0, len(pixels), LARGEST)
    ]
    return np.concatenate(batches)
