"""What tus 1.0 wants of every request and answer below /uploads: https://tus.io/protocols/resumable-upload."""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VERSION = "1.0.0"

ASKED = (
    "Tus-Resumable", "Upload-Checksum", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata", "Upload-Offset",
    "X-HTTP-Method-Override",
)  # fmt: skip
"""Headers that a client may send."""

TOLD = (
    "Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version", "Upload-Defer-Length",
    "Upload-Expires", "Upload-Length", "Upload-Metadata", "Upload-Offset",
)  # fmt: skip
"""Headers that a client reads."""

_MEANT = {"PATCH", "DELETE"}


def method_meant(scope: Scope) -> str:
    """Give the method that a client means, which may be one that it cannot send."""
    # Of POST alone: a page of another site may not send one, and might a GET.
    if scope["method"] == "POST" and scope["path"].startswith("/uploads"):
        meant = Headers(scope=scope).get("x-http-method-override", "").upper()
        if meant in _MEANT:
            return meant
    method: str = scope["method"]
    return method


class ResumableMiddleware:
    """Tells the version in every answer, and takes the method that a client means for the one that it can send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what comes back."""
        if scope["type"] != "http" or not (scope["path"] == "/uploads" or scope["path"].startswith("/uploads/")):
            await self.app(scope, receive, send)
            return
        scope = {**scope, "method": method_meant(scope)}

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Tus-Resumable", VERSION)
                headers.setdefault("Cache-Control", "no-store")
                if message["status"] == HTTPStatus.PRECONDITION_FAILED:
                    headers.setdefault("Tus-Version", VERSION)
            await send(message)

        await self.app(scope, receive, send_told)
