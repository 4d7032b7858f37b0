"""What a web page of somebody else, open in the browser of whoever runs Tenfold, must not be able to do."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import MEDIA_TYPE, document

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SecurityMiddleware:
    """Refuses changes that another site's page asks for, and sends headers that keep browsers careful.

    Browsers tell where a request comes from by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/); other clients
    do not send it and are not concerned.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is one to refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        site = Headers(scope=scope).get("sec-fetch-site", "none")
        if scope["method"] not in _SAFE_METHODS and site not in {"none", "same-origin"}:
            detail = "a page of another site may not change anything here"
            refusal = JSONResponse(document(403, detail, scope["path"]), status_code=403, media_type=MEDIA_TYPE)
            await refusal(scope, receive, send)
            return

        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_carefully)
