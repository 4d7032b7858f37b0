"""Answers predictions as other model servers do, as plain ASGI: the Open Inference Protocol, KServe V1, MLflow."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from time import monotonic, perf_counter_ns
from typing import Any

import numpy as np

from service.errors import Invalid, NotYet
from service.predict.batcher import LARGEST, Rows
from service.predict.compute import computed, unless_it_leaves
from service.predict.executors import READ, apart
from service.predict.fast_path import Pending, pending
from service.predict.messages import ClientLeft, Receive
from service.predict.pictures import Pictures
from service.predict.predictor import Predictor
from service.predict.receive import MAX_BODY_BYTES, Bodies, Held, client_of, codings_of, require_plain
from service.predict.reply import Send, reply, reply_problem
from service.predict.requests import SHORT, SHORT_LINES
from service.predict.served import Scores, Served
from service.predict.shadow import Shadow
from service.protocols import requests, responses, scoring
from service.protocols.given import Given
from service.protocols.offers import Offer, offer_of
from service.protocols.outputs import Output
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


def is_infer(path: str) -> bool:
    """Whether a POST to this path is answered here."""
    return path == INVOCATIONS or bool(_INFER.fullmatch(path) or _V1.fullmatch(path))


class Infer:
    """Answers requests of other model servers' clients; all go through the batchers that /predict uses."""

    def __init__(self, predictor: Predictor, bodies: Bodies, pictures: Pictures) -> None:
        self._predictor = predictor
        self._bodies = bodies
        self._pictures = pictures
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
                if path == INVOCATIONS or path.startswith("/v1"):
                    require_plain(scope["headers"])
                    answer = await self._score(served, scope, body, receive, shadow)
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
        served = self._predictor.at_hand(name)
        if served is None:
            return None
        asked = requests.read(body, headers.get(b"inference-header-content-length"))
        offer = offer_of(served)
        outputs, given = offer.outputs.of(asked), offer.form.tensors(asked.tensors)
        rows = given.rows
        if rows is None or given.notes or asked.timeout is not None or len(rows) > served.batcher.largest:
            return None
        was_read = perf_counter_ns()

        def encode(scores: Scores) -> tuple[Iterable[Header], bytes]:
            were_computed = perf_counter_ns()
            about, answer = _encode(scores, outputs, offer.outputs.classes, asked.id, model, version, {})
            times = (was_read - began, were_computed - was_read, perf_counter_ns() - were_computed)
            self.statistics.succeeded(model, answering(served), len(scores), times)
            return about, answer

        return pending(served, rows, self._predictor.along_with(name), encode)

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

        offer = offer_of(served)

        def read() -> tuple[requests.Asked, Sequence[Output], Given]:
            asked = requests.read(b"".join(pieces), length)
            return asked, offer.outputs.of(asked), offer.form.tensors(asked.tensors)

        asked, outputs, given = read() if sum(map(len, pieces)) <= SHORT else await apart(READ, read)
        deadline = None if asked.timeout is None else monotonic() + asked.timeout
        rows = await self._rows(offer, given, client_of(scope), receive, deadline)
        was_read = perf_counter_ns()
        scores = await _scores(served, rows, receive, deadline, shadow)
        were_computed = perf_counter_ns()
        encode = partial(_encode, scores, outputs, offer.outputs.classes, asked.id, model, version, given.notes)
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

    async def _score(self, served: Served, scope: Any, body: bytes, receive: Receive, shadow: Shadow | None) -> bytes:
        offer, path = offer_of(served), scope["path"]
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")

        def read() -> Given:
            if path == INVOCATIONS:
                return scoring.invocations(offer.form, body, kind)
            return scoring.instances(offer.form, body)

        given = read() if len(body) <= SHORT_LINES else await apart(READ, read)
        rows = await self._rows(offer, given, client_of(scope), receive, None)
        scores = await _scores(served, rows, receive, None, shadow)
        outputs = offer.outputs
        encode = partial(responses.predictions, scores, outputs.classes, given.notes, has_digits=outputs.has_digits)
        return encode() if len(scores) <= LARGEST else await asyncio.to_thread(encode)

    async def _rows(self, offer: Offer, given: Given, client: str, receive: Receive, deadline: float | None) -> Rows:
        """Give the examples of a request, for which its pictures are decoded at their turn, if it has some."""
        if given.rows is not None:
            return given.rows
        assert offer.form.decode is not None, "who takes files can decode them"
        decoding = self._pictures.put(client, given.files, offer.form.decode)
        try:
            async with asyncio.timeout(None if deadline is None else deadline - monotonic()):
                rows, unreadable = await unless_it_leaves(receive, decoding)
        except TimeoutError:
            raise NotYet("the pictures would not be decoded in time; allow more", retry_after=1) from None
        for place, why in unreadable.items():
            raise Invalid(f"{given.called}, picture {place}: {why}")
        return rows


_JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")


def _encode(scores: Scores, *about: Any) -> tuple[Iterable[Header], bytes]:
    answer, json_length = responses.encode(scores, *about)
    if json_length is None:
        return [_JSON], answer
    return [_BYTES, (b"inference-header-content-length", b"%d" % json_length)], answer


async def _scores(
    served: Served, rows: Rows, receive: Receive, deadline: float | None, shadow: Shadow | None
) -> Scores:
    """Have all rows computed, one batch after the other."""
    largest = served.batcher.largest
    if len(rows) <= largest:
        return await computed(served, rows, receive, deadline, shadow)
    batches = [
        await computed(served, rows[start : start + largest], receive, deadline, shadow, admitted=start > 0)
        for start in range(0, len(rows), largest)
    ]
    return np.concatenate(batches)
