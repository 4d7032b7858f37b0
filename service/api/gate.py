"""One gate before all routes: under which names they are called, for whom, and what browsers are told of it."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.addresses.hosts import Hosts
from service.api.cross_origin import exposing, is_preflight, preflight
from service.edge.forwarded import Outside, Proxies
from service.edge.links import below, cut
from service.errors import Forbidden, Malformed, Problem, rendered
from service.security import CAREFUL, is_from_another_site
from service.settings import Settings

HEALTH = frozenset({"/livez", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"})
"""What answers under any name: who balances the load asks by address."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_FOREIGN = "is_from_another_site"


class Gate:
    """Lets requests through to an application that need not be refused, with the paths that its routes have."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = Hosts(settings.allowed_hosts)
        self._origins = frozenset(settings.allowed_origins)
        self.proxies = Proxies(settings.trusted_proxies, settings.root_path)

    def has_nothing_to_do(self, scope: Scope, host: bytes) -> bool:
        """Whether a request that comes from no browser, to a path of ours, would be let through as it is."""
        if not self._hosts.allow(host):
            return False
        if not self.proxies.are_there:
            return True
        try:
            return self._hosts.allow(self.proxies.see(scope).host)
        except Problem:
            return False

    def inside(self, scope: Scope) -> tuple[Scope, str]:
        """Give a request as our routes have it, and what stood before its path; raises Malformed."""
        if not (self.proxies.are_there or self.proxies.root):
            return scope, ""
        outside = self.proxies.see(scope)
        return _inside(scope, outside), outside.root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is to be refused, and let the application answer all else; both carefully."""
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = origin if origin in self._origins else None
        root, answer = "", self._app
        try:
            scope, root = self.inside(scope)
            answer = self._let_in(scope, headers.getlist("host"), allowed)
        except Problem as problem:
            answer = _refusal(problem, scope["path"])
        with below(root):
            await answer(scope, receive, self._carefully(send, allowed))

    def _let_in(self, scope: Scope, called: list[str], allowed: str | None) -> ASGIApp:
        """Give what answers a request; raises a Problem for one to refuse. `called` is its Host as it came here."""
        headers = Headers(scope=scope)
        is_health = scope["path"] in HEALTH and scope["method"] in _SAFE_METHODS
        # By both names: a page whose name points here may say in a header what it likes.
        names = [name.encode("latin-1") for name in (*called, headers.get("host", ""))]
        if not is_health and not all(self._hosts.allow(name) for name in names):
            raise Malformed(
                "this host name is not one of ours; TENFOLD_ALLOWED_HOSTS lists those under which we answer"
            )
        if allowed is not None and is_preflight(scope, headers):
            return preflight()
        host, scheme = headers.get("host", ""), scope["scheme"]
        if is_from_another_site(headers, scheme=scheme, host=host, allowed=self._origins):
            if scope["method"] not in _SAFE_METHODS:
                raise Forbidden(
                    "a page of another site may not change anything here; TENFOLD_ALLOWED_ORIGINS lists those that "
                    "may, and TENFOLD_TRUSTED_PROXIES the proxies that are believed what our own address is"
                )
            scope["state"] = {**scope.get("state", {}), _FOREIGN: True}
        return self._app

    def _carefully(self, send: Send, allowed: str | None) -> Callable[[Message], Awaitable[None]]:
        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CAREFUL:
                    headers.setdefault(name.decode(), value.decode())
                if self._origins:
                    headers.add_vary_header("Origin")
                if allowed is not None:
                    headers.update(exposing(allowed))
            await send(message)

        return send_carefully


def _inside(scope: Scope, outside: Outside) -> Scope:
    """Give a request as it would have come without proxies: its path is one of ours, whether they cut it or not."""
    path = cut(scope["path"], outside.root)
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    if outside.host:
        headers.append((b"host", outside.host))
    client = scope.get("client")
    if client is not None and outside.client != client[0]:
        client = (outside.client, 0)
    return {**scope, "path": path, "scheme": outside.scheme, "headers": headers, "client": client}


def _refusal(problem: Problem, path: str) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        status, body, kind = rendered(problem.status, problem.detail, path)
        await JSONResponse(body, status_code=status, media_type=kind)(scope, receive, send)

    return refuse


def own_pages_only(request: Request) -> None:
    """Refuse what a page of another site asks for, of a route that makes a worker work though it changes nothing."""
    if getattr(request.state, _FOREIGN, False):
        raise Forbidden(
            "a page of another site may not make a worker work; open the address itself, or name that site in "
            "TENFOLD_ALLOWED_ORIGINS and let its page ask by fetch"
        )
