"""Who is let in: by the key that a request shows, or a ticket; to which route, for which account, and how often."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from starlette.types import Scope

from service.access.caller import OPEN, Caller
from service.access.named_in_query import Named, may_name
from service.access.named_in_query import named as take_named
from service.access.rates import Left, Rates
from service.api.dependencies import CALLER, ENTRY
from service.api.keyring import Keyring
from service.api.policy import UNKNOWN, Entry, Policy
from service.api.resumable import method_meant
from service.errors import Forbidden, NotFound, TooMuch, exceeded
from service.predict.executors import LOOK_UP, apart
from service.store.grants import Kind
from service.store.store import Store

LEFT = "left"
"""In the state of a request: what is left of the rate that holds for it, if one does."""

SHARED_BY = "shared_by"
"""In the state of a request: which account shares what it looks at, where that is another's."""


class RateSpent(TooMuch):
    """An account has had the requests of a second."""

    def __init__(self, detail: str, left: Left) -> None:
        super().__init__(
            f"{detail}; come again after Retry-After seconds",
            retry_after=math.ceil(left.seconds),
            members=exceeded(left.name),
        )
        self._left = left

    @property
    def about(self) -> dict[str, str]:
        """Tell what is left as well."""
        return {**super().about, **self._left.headers}


class Admission:
    """Lets requests in; `keyring` is there where keys are asked for, and with `record` set as soon as that is open."""

    def __init__(self, processes: int) -> None:
        self.policy = Policy(())
        self.keyring: Keyring | None = None
        self.record: Store | None = None
        self.rates = Rates(processes)

    def has_something_to_do(self, scope: Scope) -> bool:
        """Whether anything is to be found out of a request: without keys, most are let in as they are."""
        return self.keyring is not None or may_name(scope["query_string"]) or _shared(scope) is not None

    def at_hand(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller | None:
        """Tell who asks, if that is known here by now; None where it has to be looked up, and compared, first.

        Raises Forbidden for a key that was not made for what is asked.
        """
        entry = self._entry(scope)
        if self.keyring is None or _is_public(entry):
            return OPEN if self.keyring is None else _NOBODY
        caller = self.keyring.at_hand(headers)
        if caller is None or (caller.limits is not None and caller.limits.rates):  # which are told in headers
            return None
        return _entitled(caller, entry)

    def _entry(self, scope: Scope) -> Entry:
        return self.policy.of(method_meant(scope), scope["path"])

    async def known(self, scope: Scope) -> Scope:
        """Give a request with who sent it; raises Unauthorized, Forbidden, NotFound and TooMuch."""
        named = Named(None, None, scope["query_string"])
        if may_name(scope["query_string"]):
            named = take_named(scope["query_string"])
        entry, headers = self._entry(scope), dict(scope["headers"])
        if self.keyring is None or _is_public(entry):
            caller = OPEN if self.keyring is None else _NOBODY
        elif named.ticket is not None and scope["method"] in {"GET", "HEAD"}:
            caller = _entitled(await self.keyring.of_ticket(named.ticket, scope["path"]), entry)
        else:
            caller = _entitled(await self.keyring.find(headers), entry)
        left = self._take(caller, entry)
        if named.account not in {None, caller.account}:
            caller = await self._for_another(caller, str(named.account))
        if (shared := _shared(scope)) is not None:
            scope, caller = await self._of_another(scope, caller, shared)
            entry = self._entry(scope)
        state = {**scope.get("state", {}), CALLER: caller, ENTRY: entry, LEFT: left}
        return {**scope, "query_string": named.rest, "state": state}

    async def _of_another(self, scope: Scope, caller: Caller, shared: "re.Match[str]") -> tuple[Scope, Caller]:
        """Give a request as its owner would send it who shares what it is about: to look at that, and nothing else."""
        assert self.record is not None, "there is a record before anything is asked"
        kind: Kind = "model" if shared["kind"] == "models" else "dataset"
        owner, name = shared["owner"], shared["name"]
        right = await apart(LOOK_UP, self.record.grants.right, owner, kind, name, caller.account)
        if right != "read":
            raise NotFound(f"no account {owner} lets this one read a {kind} called {name:.128}")
        state = {**scope.get("state", {}), SHARED_BY: owner}
        scope = {**scope, "path": f"/{shared['kind']}/{name}{shared['rest']}", "state": state}
        if self._entry(scope).path in _OWNER_ALONE:
            raise NotFound("with whom something is shared, and what was made of it, is its owner's alone to see")
        return scope, Caller(owner, frozenset({"read"}), caller.key_id)

    def _take(self, caller: Caller, entry: Entry) -> Left | None:
        """Take a request of the rate that holds, if one does; raises TooMuch."""
        rate = None if caller.limits is None else caller.limits.rate(entry.scopes)
        if rate is None:
            return None
        left = self.rates.take(caller.account, *rate)
        if left.is_spent:
            detail = f"the account has {left.rate:g} requests a second for {left.name}, and has had them"
            raise RateSpent(detail, left)
        return left

    async def _for_another(self, caller: Caller, account: str) -> Caller:
        if "admin" not in caller.scopes:
            raise Forbidden("only a key with the scope admin asks for another account")
        assert self.record is not None, "there is a record before anything is asked"
        if await apart(LOOK_UP, self.record.accounts.get, account) is None:
            raise NotFound(f"there is no account {account!r}; GET /accounts lists them")
        return replace(caller, account=account, limits=None)  # which are those of the other


_NOBODY = Caller(OPEN.account, frozenset())
"""Whoever asks for what takes no key."""


_OWNER_ALONE = frozenset(
    {
        "/models/{name}/shares",
        "/datasets/{name}/shares",
        "/datasets/{name}/versions/{version}/models",
        "/datasets/{name}/versions/{version}/events",
    }
)
"""What stands below a name and is not shared with it: other accounts, other models, and by which keys what was done."""

_SHARED = re.compile(
    r"/(?P<kind>models|datasets)/(?P<owner>[a-z0-9][a-z0-9-]{0,62}):(?P<name>[^/:]+)(?P<rest>(?:/.*)?)"
)


def _shared(scope: Scope) -> "re.Match[str] | None":
    """Tell what of another account's a request would look at, if it would."""
    if ":" not in scope["path"] or scope["method"] not in {"GET", "HEAD"}:
        return None
    return _SHARED.fullmatch(scope["path"])


def _is_public(entry: Entry) -> bool:
    return entry is not UNKNOWN and not entry.scopes


def _entitled(caller: Caller, entry: Entry) -> Caller:
    """Give who asks, if one of the scopes is theirs; raises Forbidden."""
    if entry.scopes and not entry.scopes & caller.scopes:
        needed = " or ".join(sorted(entry.scopes))
        has = ", ".join(sorted(caller.scopes)) or "nothing else"
        raise Forbidden(f"this takes a key with the scope {needed}, and the one shown is for {has}")
    return caller
