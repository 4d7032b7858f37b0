"""/keys and /tickets: by what accounts ask, made and revoked."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

from service.api.dependencies import Deps, admitted, json_only
from service.api.keyring import Keyring
from service.api.problems import problems
from service.api.schemas.api_keys import AccountName, KeyAsked, Keys, KeyView, NewKey, TicketAsked, TicketView
from service.edge.links import link
from service.errors import Conflict, NotFound

router = APIRouter(tags=["access"])

KeyId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", examples=["9f86d081884c"])]


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    dependencies=[Depends(json_only)],
    responses=problems(400, 404, 415, 422, 503, 507),
)
def make(asked: Annotated[KeyAsked, Body()], response: Response, deps: Deps) -> NewKey:
    """Make a key for an account. Its text is told this once: only a digest of it is kept."""
    row, text = deps.store.api_keys.add(asked.account, asked.name, sorted(set(asked.scopes)), days=asked.days)
    response.headers["Location"] = link(f"/keys/{row.id}")
    return NewKey(**KeyView.of(row).model_dump(), key=text)


@router.get("/keys", summary="List keys, the newest first", responses=problems(422, 503))
def keys(
    deps: Deps,
    of: Annotated[AccountName | None, Query(description="Only those of this account.")] = None,
) -> Keys:
    """List the keys of all accounts, those too that are not good any more; of none its text."""
    return Keys(data=[KeyView.of(row) for row in deps.store.api_keys.all(of)])


@router.get("/keys/{key_id}", summary="Look at a key", responses=problems(404, 422, 503))
def key(key_id: KeyId, deps: Deps) -> KeyView:
    """Tell whose a key is, what it is for, and when it was last used."""
    row = next((row for row in deps.store.api_keys.all() if row.id == key_id), None)
    if row is None:
        raise _no_such(key_id)
    return KeyView.of(row)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key", responses=problems(404, 422, 503, 507))
def revoke(key_id: KeyId, deps: Deps) -> None:
    """Revoke a key, for good: within a second it opens nothing any more."""
    if not deps.store.api_keys.revoke(key_id):
        raise _no_such(key_id)


def _no_such(key_id: str) -> NotFound:
    return NotFound(f"there is no key {key_id}; GET /keys lists them")


@router.post(
    "/tickets",
    status_code=201,
    summary="Make a ticket",
    dependencies=[Depends(json_only)],
    responses=problems(400, 409, 415, 422, 503),
)
async def ticket(asked: Annotated[TicketAsked, Body()], request: Request) -> TicketView:
    """Make a ticket for one path, which is sent as `?ticket=` where a page can send no header.

    So an EventSource follows a job, and an `<img>` shows a picture. It lets look, by GET, and ends with the key by
    which it was made, or before. A stream that is open by then goes on, as long as that key is good.
    """
    keyring: Keyring | None = request.app.gate.admission.keyring
    if keyring is None:
        raise Conflict("keys are not asked for here, and no tickets: the address itself is enough")
    text, until = keyring.ticket(admitted(request), asked.path, asked.seconds)
    return TicketView.made(text, asked.path, until)
