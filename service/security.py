"""What a web page of somebody else, open in the browser of whoever runs Tenfold, must not be able to do."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import rendered

Header = tuple[bytes, bytes]
"""Of a message of ASGI."""

CAREFUL: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""What tells browsers to be careful, unless a route says otherwise."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SecurityMiddleware:
    """Refuses changes that another site's page asks for, and sends headers that keep browsers careful.

    Browsers tell where a request comes from by Origin and, on loopback and HTTPS, by Sec-Fetch-Site
    (https://www.w3.org/TR/fetch-metadata/); other clients send neither and are not concerned.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is one to refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] not in _SAFE_METHODS and _comes_from_another_site(Headers(scope=scope)):
            detail = "a page of another site may not change anything here"
            status, body, kind = rendered(403, detail, scope["path"])
            refusal = JSONResponse(body, status_code=status, media_type=kind)
            await refusal(scope, receive, send)
            return

        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CAREFUL:
                    headers.setdefault(name.decode(), value.decode())
            await send(message)

        await self.app(scope, receive, send_carefully)


def _comes_from_another_site(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host")
    except ValueError:  # no address at all, and so not ours
        return True
