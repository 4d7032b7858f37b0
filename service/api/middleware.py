"""What Starlette does otherwise than we: errors in plain text, redirects that name a host, no HEAD, ranges of it."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.streaming import HEAD
from service.edge.links import link
from service.errors import rendered, reworded


class PlainErrorsMiddleware:
    """Turns error responses of type text/plain, which the API itself never sends, into problem documents."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what comes back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        plain: Message | None = None
        text = b""

        async def send_rendered(message: Message) -> None:
            nonlocal plain, text
            if message["type"] == "http.response.start" and _is_plain_error(message):
                plain = message
            elif plain is None:
                await send(message)
            else:
                text += message.get("body", b"")
                if not message.get("more_body", False):
                    await _word(plain, text.decode(), scope["path"])(scope, receive, send)

        await self.app(scope, receive, send_rendered)


def _is_plain_error(start: Message) -> bool:
    return start["status"] >= 400 and Headers(raw=start["headers"]).get("content-type", "").startswith("text/plain")


def _word(start: Message, text: str, path: str) -> JSONResponse:
    status = start["status"]
    status, body, kind = rendered(status, reworded(text, path) or HTTPStatus(status).phrase, path)
    response = JSONResponse(body, status_code=status, media_type=kind)
    for name, value in MutableHeaders(raw=start["headers"]).items():
        response.headers.setdefault(name, value)
    return response


class RedirectMiddleware:
    """Leads who is sent on to a path of ours, under whatever name they have come: Starlette repeats the name it hears.

    It does so where a path has a slash too many at its end, or one too few.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what comes back."""

        async def send_led(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.TEMPORARY_REDIRECT:
                headers = MutableHeaders(scope=message)
                address = urlsplit(headers["location"])
                headers["location"] = link("/" + address.path.lstrip("/")) + f"?{address.query}" * bool(address.query)
            await send(message)

        await self.app(scope, receive, send_led)


class HeadMiddleware:
    """Answers HEAD by what GET would answer, on every path. Ranges are of GET, and of bytes: RFC 9110, section 14.2."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass HEAD on as GET, and keep its body back."""
        if scope["type"] == "http" and (scope["method"] != "GET" or not _has_range_of_bytes(scope)):
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET", HEAD: True}, receive, send_head)


def _has_range_of_bytes(scope: Scope) -> bool:
    unit, _, _ = Headers(scope=scope).get("range", "bytes").partition("=")
    return unit.strip().lower() == "bytes"
