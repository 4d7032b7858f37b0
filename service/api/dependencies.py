"""What the API is made of; built once, handed to every route."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request

from service.access.caller import OPEN, Caller
from service.api.following.feed import Feed
from service.api.outlook import Outlooks
from service.artifacts import Artifacts
from service.broker.doorbell import Doorbell
from service.disk.floor import Floor
from service.errors import Forbidden, UnsupportedMedia
from service.predict.predictor import Predictor
from service.processes.standby import Standby
from service.settings import Settings
from service.store.shared_columns import EVERYONE
from service.store.store import Store

CALLER, ENTRY = "caller", "entry"
"""In the state of a request: who sent it, and what was looked up for it; neither is there where no key is asked for."""


_CALLERS = 256
"""Who asked of late; what asks for the same at one time is answered once."""


@dataclass(frozen=True)
class Dependencies:
    """What the routes of a running API process work with."""

    settings: Settings
    caller: Caller
    store: Store
    artifacts: Artifacts
    floor: Floor
    doorbell: Doorbell
    predictor: Predictor
    standby: Standby
    feed: Feed
    outlooks: Outlooks
    predictors: dict[str, Predictor] = field(default_factory=dict, repr=False)
    made: dict[Caller, "Dependencies"] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, settings: Settings) -> "Dependencies":
        """Build all of it; opens the database, and removes what uploads left that broke off with their program."""
        store, artifacts = Store.open(settings).of(OPEN.account), Artifacts(settings.artifacts)
        with suppress(OSError):
            artifacts.remove(artifacts.abandoned("datasets"))
        predictor = Predictor(store, artifacts, memory_bytes=settings.model_memory_bytes)
        return cls(
            settings=settings,
            caller=OPEN,
            store=store,
            artifacts=artifacts,
            floor=Floor.of(settings, store.database.file),
            doorbell=Doorbell(settings.broker_url),
            predictor=predictor,
            standby=Standby(settings),
            predictors={OPEN.account: predictor},
            feed=Feed(store.of(EVERYONE).events),
            outlooks=Outlooks(store.of(EVERYONE), settings),
        )

    def close(self) -> None:
        """Look at nothing any more, and close the database."""
        self.feed.close()
        self.store.database.close()

    @property
    def account(self) -> str:
        """Whose the record is, the files, and the networks that may be asked."""
        return self.caller.account

    def of(self, caller: Caller) -> "Dependencies":
        """Give what the routes work with for whoever asks: the record of an account, its files and its networks."""
        if caller == self.caller:
            return self
        if (its := self.made.get(caller)) is not None:
            return its
        account = caller.account
        if (predictor := self.predictors.get(account)) is None:
            predictor = self.predictors[account] = self.predictor.of(self.store.of(account))
        store, artifacts = self.store.of(account, caller.key_id, caller.limits), self.artifacts.of(account)
        its = replace(self, caller=caller, store=store, artifacts=artifacts, predictor=predictor)
        while len(self.made) >= _CALLERS:
            self.made.pop(next(iter(self.made)), None)
        self.made[caller] = its
        return its


# Not by a thread of their own, as what may wait: each change to another takes longer than either of them.


async def _dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies.of(admitted(request))


def admitted(request: Request) -> Caller:
    """Give who asks, as the gate has let them in: to this route, and to no other; raises Forbidden."""
    state = request.scope.get("state", {})
    if (entry := state.get(ENTRY)) is not None and entry.path != request.scope["route"].path:
        raise Forbidden("what this key was looked at for is another route than answers")
    caller: Caller = state.get(CALLER, OPEN)
    return caller


Deps = Annotated[Dependencies, Depends(_dependencies)]


async def json_only(request: Request) -> None:
    """Refuse a body of another media type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("send application/json")
