"""What the server itself answers, before there is a request that the application could answer."""

import json
from http import HTTPStatus
from typing import Any

from service.edge.links import ROOT, below, cut
from service.errors import rendered
from service.security import CAREFUL, Header


class Refusal(Exception):  # noqa: N818 - whoever sent the bytes is to blame
    """Bytes that are no request, or one that is not to be answered."""

    def __init__(self, status: int, detail: str, *, allow: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.allow = allow


def encode(refusal: Refusal, path: str) -> tuple[int, bytes, list[Header]]:
    """Give status, body and headers of a refusal, after which the connection is closed."""
    status, document, media_type = rendered(refusal.status, refusal.detail, cut(path, ROOT.get()))
    body = json.dumps(document, separators=(",", ":")).encode()
    about = {b"content-type": media_type.encode(), b"content-length": b"%d" % len(body), b"connection": b"close"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        about[b"retry-after"] = b"1"
    if refusal.allow is not None:
        about[b"allow"] = refusal.allow.encode()
    return status, body, [*about.items(), *CAREFUL]


def _unavailable(detail: str) -> Any:
    async def tell(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - an application of ASGI
        with below(scope.get("state", {}).get(ROOT.name, "")):
            status, body, headers = encode(Refusal(503, detail), scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return tell


overloaded = _unavailable("there are as many connections as this process takes; come again")
stopping = _unavailable("this process is stopping; come again")
