"""Answers POST /predict as plain ASGI: what most requests need and no more, because it takes longer than predicting."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from service.edge.query import require_known
from service.errors import Fault, Invalid, NotYet, invalid
from service.predict import responses
from service.predict.arriving import Arriving
from service.predict.compute import computed, unless_it_leaves
from service.predict.csv_answers import Answers, headers_of
from service.predict.details import are_wanted
from service.predict.executors import READ, apart
from service.predict.fast_path import Pending, pending
from service.predict.in_batches import Each, predictions, stream, with_unreadable
from service.predict.inputs.arrays import NO_SHARES, Arrays
from service.predict.inputs.taken import Taken
from service.predict.messages import ClientLeft, Receive
from service.predict.negotiation import CSV, JSON, LINES, wished
from service.predict.pictures import Pictures
from service.predict.predictor import Predictor
from service.predict.receive import Bodies, client_of, require_plain
from service.predict.reply import Send, reply, reply_problem
from service.predict.requests import IN_LINES, OPTIONS, SHORT, SHORT_LINES, Asked, reader
from service.predict.schemas import PredictQuery
from service.predict.served import PROBABILITIES, Scores, Served
from service.security import Header

PATH = "/predict"

_NOT_ONE = IN_LINES | {"file", "files", "rows"}
"""What a body may hold that is not answered at once: pictures are to be decoded first, and rows to be told apart."""

_MOST_TOLD = 10
"""Pictures of which is told why they cannot be read, where none can."""

_JSON = [(b"content-type", b"application/json")]


class Predict:
    """Answers predictions; of the scope it looks at headers and query string.

    Errors are told as those of all routes are. Which requests may come here without passing the middlewares of the API
    is the API's to say.
    """

    def __init__(self, predictor: Predictor, bodies: Bodies, pictures: Pictures) -> None:
        self._predictor = predictor
        self._bodies = bodies
        self._pictures = pictures

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body: bytes | Arriving = b""
        held = None
        try:
            body, held = await self._bodies.begin(scope, headers, receive)
            await self._answer(scope, headers, body, receive, send)
        except ClientLeft:
            return
        except Exception as error:  # noqa: BLE001 - whoever sent the request is told, and so is the log
            await self._refuse(error, body, send)
        finally:
            self._bodies.give_back(held)

    async def _refuse(self, error: Exception, body: bytes | Arriving, send: Send) -> None:
        """Tell what went wrong once the body is there: until then, most clients do not read."""
        with suppress(Exception):
            if isinstance(body, Arriving):
                await body.whole()
        await reply_problem(send, error, PATH)

    def start(self, scope: Any, headers: Mapping[bytes, bytes], body: bytes) -> Pending | None:
        """Start to answer one example, asked without options, by a network that is at hand; see FastPathProtocol."""
        kind = headers.get(b"content-type", b"").decode("latin-1")
        accept = headers.get(b"accept", b"").lower()
        if scope["query_string"] or b"ndjson" in accept or b"csv" in accept or b"content-encoding" in headers:
            return None
        if b'"images' in body or len(body) > SHORT:  # several images would have been read for nothing
            return None
        asked = reader(kind)(body)
        served = None if asked.field in _NOT_ONE else self._predictor.at_hand(asked.model)
        if served is None:
            return None
        rows, several, notes = served.input.take(asked)
        if several or notes or asked.options:
            return None

        def encode(scores: Scores) -> tuple[Iterable[Header], bytes]:
            return _JSON, responses.one(scores[0, PROBABILITIES], served.words, served.model_json)

        return pending(served, rows, self._predictor.along_with(asked.model), encode)

    async def _answer(
        self,
        scope: Any,
        headers: Mapping[bytes, bytes],
        body: bytes | memoryview | Arriving,
        receive: Receive,
        send: Send,
    ) -> None:
        require_plain(scope["headers"])
        query = _query(scope["query_string"])
        if isinstance(body, Arriving) and query.timeout is not None:
            body = await body.whole()  # it counts from then on
        began = monotonic()
        kind = headers.get(b"content-type", b"").decode("latin-1")
        read = reader(kind)
        if isinstance(body, Arriving):
            asked, size, arriving = read(body.room), len(body.room), body  # its bytes are not looked at yet
        else:
            asked, size, arriving = read(body) if len(body) <= SHORT else await apart(READ, read, body), len(body), None
        if asked.options:
            query = _with_fields(query, asked.options)
        deadline = None if query.timeout is None else began + query.timeout
        if asked.model is not None and query.model not in {None, asked.model}:
            detail = "model is another one in the query than in the body; give it once"
            raise Invalid(detail, faults=[Fault("/model", detail)])
        if query.scale is not None:
            asked = asked._replace(is_unit=True)
        reference = asked.model or query.model
        served = await self._predictor.find(reference)
        shadow = self._predictor.along_with(reference)
        form = wished(headers.get(b"accept", b""))
        unreadable: Mapping[int, str] = {}
        if arriving is not None and not _may_begin(served, asked, form):
            await arriving.whole()
            arriving = None
        if arriving is not None and isinstance(served.input, Arrays):
            taken = Taken(served.input.laid_out(asked.value), several=True)
        elif asked.are_pictures and isinstance(served.input, Arrays):
            taken, unreadable = await self._decoded(asked, served.input, client_of(scope), receive, deadline)
        elif size <= (SHORT_LINES if asked.field in IN_LINES else SHORT):
            taken = served.input.take(asked)
        else:
            taken = await apart(READ, served.input.take, asked)
        if not (taken.several or taken.notes or form in (LINES, CSV)) and query.is_plain:
            (scores,) = await computed(served, taken.rows, receive, deadline, shadow)
            await reply(send, responses.one(scores[PROBABILITIES], served.words, served.model_json), _JSON)
            return
        details = are_wanted(served, query, taken, dict(asked.options))
        is_whole = form == JSON and taken.several and not unreadable  # and nothing comes between its predictions
        each: Each = partial(_in_json, served, query, is_whole)
        error = responses.unreadable
        if form == CSV:
            classes = served.network.schema.classes
            answers = Answers(classes, query, noted=bool(taken.notes), unreadable=bool(unreadable))
            each, error = answers.each, answers.unreadable
        batches = predictions(
            served, taken, query, receive, deadline, shadow, each, with_details=details, arriving=arriving
        )
        if unreadable:
            batches = with_unreadable(batches, unreadable, error)
        if form == LINES:
            await stream(batches, served.model_json, send, PATH)
            return
        written = [prediction async for batch in batches for prediction in batch]
        if form == CSV:
            await reply(send, b"".join([answers.header, *written]), headers_of(served.model))
        elif taken.several:
            await reply(send, responses.several(written, served.model_json), _JSON)
        else:
            await reply(send, responses.with_model(written[0], served.model_json), _JSON)

    async def _decoded(
        self, asked: Asked, form: Arrays, client: str, receive: Receive, deadline: float | None
    ) -> tuple[Taken, Mapping[int, str]]:
        """Have the pictures of a request decoded, and tell of those that cannot be read why not."""
        files: Sequence[bytes] = asked.value
        if len(files) > form.most:
            raise Invalid(f"at most {form.most:,} pictures of this model's size are answered at once; send fewer")
        if asked.is_unit:
            raise Invalid(NO_SHARES, faults=[Fault("/scale", NO_SHARES)])
        try:
            async with asyncio.timeout(None if deadline is None else deadline - monotonic()):
                pixels, unreadable = await unless_it_leaves(receive, self._pictures.put(client, files, form.decode))
        except TimeoutError:
            raise NotYet("the pictures would not be decoded in time; allow more", retry_after=1) from None
        if len(unreadable) == len(files):
            raise _none_readable(asked, unreadable)
        return Taken(pixels, several=asked.field == "files"), unreadable


def _may_begin(served: Served, asked: Asked, form: str) -> bool:
    """Whether pictures may be computed before all are there: not where the answer begins before all were looked at."""
    are_several = isinstance(served.input, Arrays) and len(asked.value) >= 2 * served.network.schema.inputs
    return are_several and not asked.is_unit and form != LINES


def _none_readable(asked: Asked, unreadable: Mapping[int, str]) -> Invalid:
    """Say of each picture of a request why it cannot be read; of many, of the first ones."""
    place = f"/{asked.place or 'files'}"
    if len(unreadable) == 1 and (asked.field == "file" or asked.place == "images_base64"):
        detail = unreadable[0]
        return Invalid(f"{asked.place}: {detail}" if asked.place else detail, faults=[Fault(place, detail)])
    faults = [Fault(f"{place}/{number}", why) for number, why in list(unreadable.items())[:_MOST_TOLD]]
    first = unreadable[0]
    detail = (
        f"the only file cannot be used: {first}"
        if len(unreadable) == 1
        else (f"none of the {len(unreadable):,} pictures can be used; of the first: {first}")
    )
    return Invalid(detail, faults=faults)


@lru_cache(maxsize=256)
def _query(query_string: bytes) -> PredictQuery:
    given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    require_known((name for name, _ in given), OPTIONS)
    return _validated(dict(given), "query")


def _with_fields(query: PredictQuery, fields: Sequence[tuple[str, str]]) -> PredictQuery:
    """Give all that is asked for, in the query and in the fields of a form."""
    for name in query.model_fields_set.intersection(name for name, _ in fields):
        detail = f"{name} is given in the query and in the form; give it once"
        raise Invalid(detail, faults=[Fault(f"/{name}", detail)])
    asked = _validated(dict(fields), "body")
    return asked.model_copy(update=query.model_dump(exclude_unset=True))


def _validated(given: Mapping[str, str], place: str) -> PredictQuery:
    try:
        return PredictQuery.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise invalid([{**fault, "loc": (place, *fault["loc"])} for fault in faults]) from None


def _in_json(
    served: Served, query: PredictQuery, is_whole: bool, rows: responses.Probabilities, *told: Sequence[bytes]
) -> list[bytes]:
    return (responses.together if is_whole else responses.each)(rows, served.words, query, *told)
