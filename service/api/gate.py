"""One gate before all routes: under which names they are called, for whom, and what browsers are told of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.caller import Caller
from service.access.rates import Left
from service.addresses.hosts import Hosts
from service.api.admission import LEFT, SHARED_BY, Admission
from service.api.cross_origin import exposing, is_preflight, preflight
from service.api.dependencies import CALLER
from service.edge.forwarded import Outside, Proxies
from service.edge.links import below, cut
from service.errors import Forbidden, Malformed, Problem, Unauthorized, rendered
from service.refusals import as_problem
from service.security import CAREFUL, is_from_another_site
from service.settings import Settings
from service.store.engine import DatabaseError

HEALTH = frozenset({"/livez", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"})
"""What answers under any name: who balances the load asks by address."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_FOREIGN = "is_from_another_site"


class Gate:
    """Lets requests through to an application that need not be refused, with the paths that its routes have."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self.admission = Admission(settings.api_processes)
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

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller | None:
        """Tell who asks, if that is known here by now; None where it has to be looked up, and compared, first.

        Raises Forbidden for a key that was not made for what is asked.
        """
        return self.admission.at_hand(scope, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is to be refused, and let the application answer all else; both carefully."""
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = origin if origin in self._origins else None
        root, answer = "", self._app
        try:
            scope, root = self.inside(scope)
            answer = self._let_in(scope, headers.getlist("host"), allowed)
            if answer is self._app and self.admission.has_something_to_do(scope):
                scope = await self.admission.known(scope)
        except (Problem, DatabaseError) as error:
            answer = _refusal(as_problem(error), scope["path"])
        left: Left | None = scope.get("state", {}).get(LEFT)
        with below(root, scope.get("state", {}).get(SHARED_BY, "")):
            await self._while_good(answer, scope, receive, self._carefully(send, allowed, left))

    async def _while_good(self, answer: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as long as the key is good by which it is asked for: who looks on afterwards is told nothing more."""
        caller: Caller | None = scope.get("state", {}).get(CALLER)
        keyring = self.admission.keyring
        if keyring is None or caller is None or caller.key_id is None or scope["method"] not in {"GET", "HEAD"}:
            await answer(scope, receive, send)
            return
        begun: list[Message] = []

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            await send(message)

        until = asyncio.timeout(None)
        try:
            async with until:
                with keyring.watch.over(caller.key_id, until):
                    await answer(scope, receive, send_on)
        except TimeoutError:
            if not until.expired():
                raise
            if not begun:
                await _refusal(Unauthorized("this key is not good any more"), scope["path"])(scope, receive, send)
            elif Headers(raw=begun[0]["headers"]).get("content-type", "").startswith("text/event-stream"):
                await send({"type": "http.response.body", "body": b""})  # its client comes back, and is refused
            # Of all else half an answer is none: the connection is cut.

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

    def _carefully(self, send: Send, allowed: str | None, left: Left | None) -> Callable[[Message], Awaitable[None]]:
        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CAREFUL:
                    headers.setdefault(name.decode(), value.decode())
                if left is not None:
                    headers.update(left.headers)
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
        status, body, kind = rendered(problem.status, problem.detail, path, members=problem.members)
        answer = JSONResponse(body, status_code=status, media_type=kind, headers=problem.about)
        await answer(scope, receive, send)

    return refuse


def own_pages_only(request: Request) -> None:
    """Refuse what a page of another site asks for, of a route that makes a worker work though it changes nothing."""
    if getattr(request.state, _FOREIGN, False):
        raise Forbidden(
            "a page of another site may not make a worker work; open the address itself, or name that site in "
            "TENFOLD_ALLOWED_ORIGINS and let its page ask by fetch"
        )
