"""What pages of allowed origins are told by CORS: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from service.api import resumable
from service.api.methods import METHODS

ASKED = (
    "Accept", "Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match",
    "If-Range", "Inference-Header-Content-Length", "Last-Event-ID", "Prefer", "Range", "Traceparent", "X-Api-Key",
    "X-Request-Id",
    *resumable.ASKED,
)  # fmt: skip
"""Headers that a page may send."""

TOLD = (
    "Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "Inference-Header-Content-Length",
    "Link", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate", "X-Request-Id",
    *resumable.TOLD,
)  # fmt: skip
"""Headers that a page may read, beside those that any may."""

_REMEMBERED_SECONDS = 600


def is_preflight(scope: Scope, headers: Headers) -> bool:
    """Whether a browser asks what a page may ask for."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def preflight() -> Response:
    """Answer that it may ask for everything; there are no cookies, so no credentials are let through."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": ", ".join(method.upper() for method in METHODS),
            "Access-Control-Allow-Headers": ", ".join(ASKED),
            "Access-Control-Max-Age": str(_REMEMBERED_SECONDS),
            "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
        },
    )


def exposing(origin: str) -> dict[str, str]:
    """Give the headers that let a page of this origin read an answer."""
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": ", ".join(TOLD)}
