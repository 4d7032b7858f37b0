"""/webhooks: who is told what happens here, and what became of what they were told."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

from models.terms import Name
from service.addresses.receivers import Receivers, read
from service.api.dependencies import Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.listing import Page
from service.api.schemas.webhooks import (
    DeliveryPage,
    DeliveryView,
    Replayed,
    WebhookList,
    WebhookSpec,
    WebhookView,
    WebhookWithSecret,
)
from service.edge.links import link
from service.errors import Fault, Invalid, NotFound
from service.store.deliveries import DeliveryState
from service.store.engine import Row

router = APIRouter(tags=["webhooks"], route_class=DocumentRoute)

WebhookName = Annotated[Name, Path(description="Name of a webhook.")]
DeliveryId = Annotated[str, Path(pattern=r"^msg_[0-9a-f]{32}$", description="Id of a delivery.")]

_HOUR_MS = 3_600_000
_REPLAYED_AT_ONCE = 1_000


@router.get("/webhooks", summary="List webhooks", responses=problems(503))
def find(deps: Deps) -> WebhookList:
    """List all webhooks by name, and how they do."""
    return WebhookList(data=[WebhookView.of(row) for row in deps.store.webhooks.all()])


@router.put(
    "/webhooks/{name}",
    dependencies=[Depends(json_only)],
    summary="Make or change a webhook",
    responses={
        201: {"model": WebhookWithSecret, "description": "The webhook is new, and its secret is told, this once."},
        **problems(400, 409, 413, 415, 422, 503, 507),
    },
)
def put(name: WebhookName, spec: Annotated[WebhookSpec, Body()], response: Response, deps: Deps) -> WebhookWithSecret:
    """Make a webhook, or change where it leads and what it is told; one that was disabled is active again.

    What waits to be delivered goes to the new URL. Events are sent as Standard Webhooks has it, each at least once, and
    in the order in which they happened to a job, a sweep, a version of a data set or a model.
    """
    deps.floor.require()
    if (why := Receivers(deps.settings.webhook_allow).refusal_of_url(read(spec.url))) is not None:
        raise Invalid(f"url: {why}", faults=[Fault("/url", why)])
    row, secret = deps.store.webhooks.put(name, url=spec.url, events=spec.events, labels=spec.labels, model=spec.model)
    if secret is not None:
        response.status_code = 201
        response.headers["Location"] = link(f"/webhooks/{name}")
    return WebhookWithSecret.with_secret(row, secret)


@router.get("/webhooks/{name}", summary="Look at a webhook", responses=problems(404, 422, 503))
def get(name: WebhookName, deps: Deps) -> WebhookView:
    """Tell where a webhook leads, what it is told, and how it does."""
    return WebhookView.of(_found(deps.store.webhooks.get(name), name))


@router.delete("/webhooks/{name}", status_code=204, summary="Delete a webhook", responses=problems(404, 422, 503, 507))
def delete(name: WebhookName, deps: Deps) -> None:
    """Delete a webhook, with what waits to be delivered to it. Jobs that name it go on, and tell nobody."""
    if not deps.store.webhooks.delete(name):
        raise _no_webhook(name)


@router.post("/webhooks/{name}/rotate", summary="Change a webhook's secret", responses=problems(404, 422, 503, 507))
def rotate(
    name: WebhookName,
    request: Request,
    deps: Deps,
    keep_hours: Annotated[
        float, Query(ge=0, le=168, allow_inf_nan=False, description="How long the secret of before signs as well.")
    ] = 24.0,
    idempotency_key: IdempotencyKey = None,
) -> WebhookWithSecret:
    """Give a webhook a new secret, which is told this once. For a while every message has two signatures.

    A receiver that checks by either of the two secrets accepts it. Rotated again, only that of just before stays: with
    an Idempotency-Key, a request that is repeated because its answer was lost is told the same secret.
    """
    key = once(idempotency_key, request, deps, _as_it_was_told)
    rotated = deps.store.webhooks.rotate(name, keep_ms=int(keep_hours * _HOUR_MS), key=key)
    if rotated is None:
        raise _no_webhook(name)
    return WebhookWithSecret.with_secret(*rotated)


def _as_it_was_told(rotated: tuple[Row, str]) -> dict[str, Any]:
    return answered(200, WebhookWithSecret.with_secret(*rotated))


@router.post(
    "/webhooks/{name}/test", status_code=202, summary="Try a webhook", responses=problems(404, 409, 422, 503, 507)
)
def test(name: WebhookName, response: Response, deps: Deps) -> DeliveryView:
    """Send an event `webhook.test`, which says nothing; look at its delivery to see whether it arrives."""
    deps.floor.require()
    return _sent(deps.store.deliveries.test(name), name, response)


@router.post(
    "/webhooks/{name}/replay",
    status_code=202,
    summary="Send again what was given up",
    responses=problems(404, 409, 422, 503, 507),
)
def replay_failed(name: WebhookName, deps: Deps) -> Replayed:
    """Send deliveries again that have failed, under their ids and in their order: the oldest 1,000 of them."""
    replayed = deps.store.deliveries.replay_failed(name, most=_REPLAYED_AT_ONCE)
    if replayed is None:
        raise _no_webhook(name)
    return Replayed(replayed=replayed[0], has_more=replayed[1])


@router.get("/webhooks/{name}/deliveries", summary="What was sent to a webhook", responses=problems(404, 422, 503))
def deliveries(
    name: WebhookName,
    deps: Deps,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Deliveries on a page.")] = 20,
) -> DeliveryPage:
    """List deliveries, the newest first; what has ended is kept for a week. Follow `next` for more."""
    _found(deps.store.webhooks.get(name), name)

    def rows(count: int) -> Sequence[Row]:
        return deps.store.deliveries.of(name, state=state, before=after, limit=count)

    page = Page.of(rows, limit=limit, path=f"/webhooks/{name}/deliveries", state=state)
    return DeliveryPage(data=[DeliveryView.of(row) for row in page.rows], has_more=page.has_more, next=page.next)


@router.get(
    "/webhooks/{name}/deliveries/{delivery_id}", summary="Look at a delivery", responses=problems(404, 422, 503)
)
def delivery(name: WebhookName, delivery_id: DeliveryId, deps: Deps) -> DeliveryView:
    """Tell what is sent, how often that was tried, and what the receiver answered last."""
    row = deps.store.deliveries.get(name, delivery_id)
    if row is None:
        raise _no_delivery(name, delivery_id)
    return DeliveryView.of(row)


@router.post(
    "/webhooks/{name}/deliveries/{delivery_id}/replay",
    status_code=202,
    summary="Send a delivery again",
    responses=problems(404, 409, 422, 503, 507),
)
def replay(name: WebhookName, delivery_id: DeliveryId, response: Response, deps: Deps) -> DeliveryView:
    """Send a delivery again, at once and under its id, whether it has arrived before, was given up, or waits."""
    row = deps.store.deliveries.replay(name, delivery_id)
    if row is None:
        raise _no_delivery(name, delivery_id)
    return _sent(row, name, response)


def _sent(row: Row | None, name: str, response: Response) -> DeliveryView:
    response.headers["Location"] = link(f"/webhooks/{name}/deliveries/{_found(row, name).id}")
    return DeliveryView.of(_found(row, name))


def _found(row: Row | None, name: str) -> Row:
    if row is None:
        raise _no_webhook(name)
    return row


def _no_webhook(name: str) -> NotFound:
    return NotFound(f"there is no webhook {name}; GET /webhooks lists them")


def _no_delivery(name: str, delivery_id: str) -> NotFound:
    return NotFound(f"webhook {name} has no delivery {delivery_id}, or not any more: they are kept for a week")
