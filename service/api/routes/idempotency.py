"""Idempotency-Key: what is asked for twice under one key is done once, and answered as it was the first time.

As the draft of the HTTP working group has it, but that nobody is told to come again (409) while the first of two equal
requests is under way: the second waits for its commit.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from service.api.dependencies import Dependencies
from service.edge.links import below, link, links
from service.errors import Fault, Invalid
from service.store.keys import Key

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]+$",
        max_length=255,
        description="Any string of the client's, a UUID for instance. A request that is repeated with it within 48 "
        "hours does nothing a second time, and is answered as it was the first time. 422 if it was another request.",
    ),
]


def once(
    name: str | None,
    request: Request,
    deps: Dependencies,
    answer: Callable[[Any], dict[str, Any]],
    payload: BaseModel | str = "",
) -> Key | None:
    """Give the key under which a request is to be done, if it has one; raises Repeated and KeyReused if that was used.

    Raises NoRoom where it was not, and the disk has no room for what would be kept of the answer.

    Args:
        name: the key as the client gave it.
        request: whose route and parameters belong to what is asked for.
        deps: where keys are on record.
        answer: what to answer, by `answered`, for what the store gives when it was done.
        payload: the body, as far as the client gave it: defaults may be others after an upgrade. Or its digest.
    """
    if name is None:
        return None
    if len(request.headers.getlist("idempotency-key")) > 1:
        detail = "the request has several keys, and one counts; give it once"
        raise Invalid(detail, faults=[Fault("#header/Idempotency-Key", detail)])
    body = payload if isinstance(payload, str) else payload.model_dump_json(exclude_unset=True)
    what = f"{request.method} {request.scope['path']}?{request.url.query}\n{body}"

    def kept(done: Any) -> dict[str, Any]:
        with below(""):  # whoever asks again may come by another path
            return answer(done)

    key = Key(name, sha256(what.encode()).hexdigest(), kept)
    deps.store.keys.look_up(key)
    deps.floor.require()
    return key


def answered(status: int, body: BaseModel, **headers: str) -> dict[str, Any]:
    """Give an answer as it is kept."""
    return {"status": status, "headers": headers, "body": body.model_dump(mode="json")}


def again(answer: dict[str, Any]) -> Response:
    """Answer as the first time, with links for whoever asks now."""
    body, headers = dict(answer["body"]), dict(answer["headers"])
    if "links" in body:
        body["links"] = links(body["links"])
    if "Location" in headers:
        headers["Location"] = link(headers["Location"])
    return Response(
        to_json(body),
        status_code=answer["status"],
        headers=headers,
        media_type="application/json",
    )
