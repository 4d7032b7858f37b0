"""Which network answers a request: looked up seldom, loaded once, followed soon."""

import asyncio
import logging
import random
import threading
import time
import weakref
from collections.abc import Callable, Set
from dataclasses import dataclass

from service.artifacts import Artifacts
from service.errors import Damaged, NotYet
from service.predict.cache import Networks
from service.predict.executors import LOOK_UP, apart
from service.predict.served import Served
from service.predict.shadow import Shadow
from service.store.errors import NothingThere
from service.store.references import Meaning, Target
from service.store.store import Store

FRESH_SECONDS = 1.0
"""How long an answer of the record is good for; at half of it, it is asked for anew, and nobody waits for that."""

MEMORY_BYTES = 256 * 2**20

_REFERENCES = 256  # whose meaning is remembered
_NO_ROOM = "there is no room for it in memory beside those who answer; see TENFOLD_MODEL_MEMORY_BYTES"
_TRIES = 5  # the best checkpoint of a running job may be replaced between looking it up and reading it

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answering:
    """Who answers to a reference; `bounds` are the shares of the requests, added up."""

    served: tuple[Served, ...]
    bounds: tuple[float, ...]
    shadow: Shadow | None

    def pick(self) -> Served:
        return self.served[_drawn(self.bounds)]


@dataclass(frozen=True)
class _Known:
    """What was looked up; the networks themselves may have been dropped since, for others."""

    served: tuple["weakref.ref[Served]", ...]
    bounds: tuple[float, ...]
    shadow: Shadow | None
    looked_up: float

    def pick(self) -> Served | None:
        return self.served[_drawn(self.bounds)]()


def _drawn(bounds: tuple[float, ...]) -> int:
    if len(bounds) == 1:
        return 0
    number = random.random() * bounds[-1]  # noqa: S311 - nobody gains by guessing it
    return next(place for place, bound in enumerate(bounds) if number < bound)


class Predictor:
    """Finds the network that a request asks for; those used last stay loaded, as many as the memory is meant for."""

    def __init__(
        self,
        store: Store,
        artifacts: Artifacts,
        clock: Callable[[], float] = time.monotonic,
        *,
        memory_bytes: int = MEMORY_BYTES,
        networks: Networks | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str | None, _Known] = {}
        self._lookups: dict[str | None, asyncio.Task[_Answering]] = {}
        self._counting = threading.Lock()
        self._networks = networks or Networks(artifacts, memory_bytes)
        self._artifacts = artifacts
        self._standing: dict[str, Meaning] = {}
        self._refused: dict[str, tuple[set[int | None], str]] = {}
        self._shadows: dict[str, Shadow] = {}

    def of(self, store: Store) -> "Predictor":
        """Give what finds the networks of another account, whose names mean others; they share the memory."""
        return Predictor(store, self._artifacts, self._clock, networks=self._networks)

    async def find(self, reference: str | None) -> Served:
        """Give the network that a reference means: `name`, `name@alias`, `name/3` or the id of a job; see `look_up`.

        The record is asked at most twice a second, however many ask here; what it said is at most a second old.
        """
        if (served := self.at_hand(reference)) is not None:
            return served
        # Whoever leaves must not take the lookup of the others along.
        return (await asyncio.shield(self._look_up(reference))).pick()

    def at_hand(self, reference: str | None) -> Served | None:
        """Give the network that a reference means, if that can be told without waiting."""
        known = self._known.get(reference)
        if known is None or (served := known.pick()) is None:
            return None
        age = self._clock() - known.looked_up
        if age > FRESH_SECONDS / 2:
            self._look_up(reference)
        return served if age <= FRESH_SECONDS else None

    def refusal(self, alias: str, versions: Set[int]) -> str | None:
        """Say why this process does not serve what an alias (`name@alias`) points to, but what it pointed to before.

        `versions` are those that it points to now: what was refused may be what it pointed to until a moment ago.
        """
        refused, why = self._refused.get(alias, (None, None))
        return why if refused == versions else None

    def shadow(self, alias: str, versions: Set[int]) -> Shadow | None:
        """Give what is asked along with an alias (`name@alias`), if anything is, and it was asked here.

        `versions` are those that the alias points to now: how it did beside others is not told.
        """
        shadow = self._shadows.get(alias)
        return shadow if shadow is not None and shadow.beside == versions else None

    def along_with(self, reference: str | None) -> Shadow | None:
        """Give what is to be asked along with the network that a reference was found to mean."""
        known = self._known.get(reference)
        return None if known is None else known.shadow

    def forget(self, reference: str | None) -> None:
        """Drop a loaded network from memory; whoever asks for it next loads it again."""
        known = self._known.pop(reference, None)
        for served in known.served if known is not None else ():
            self._networks.drop(served())

    def _look_up(self, reference: str | None) -> "asyncio.Task[_Answering]":
        lookup = self._lookups.get(reference)
        if lookup is None:
            lookup = self._lookups[reference] = asyncio.create_task(self._ask(reference))
            lookup.add_done_callback(lambda done: self._forget(reference, done))
        return lookup

    def _forget(self, reference: str | None, done: "asyncio.Task[_Answering]") -> None:
        del self._lookups[reference]
        if not done.cancelled() and done.exception() is not None:
            self._known.pop(reference, None)  # the next to ask waits for an answer, and is told why there is none

    async def _ask(self, reference: str | None) -> _Answering:
        now = self._clock()
        answering = await apart(LOOK_UP, self._answering, reference)
        self._known.pop(reference, None)
        self._known[reference] = _Known(
            tuple(map(weakref.ref, answering.served)), answering.bounds, answering.shadow, now
        )
        if len(self._known) > _REFERENCES:
            del self._known[next(iter(self._known))]
        return answering

    def _answering(self, reference: str | None) -> _Answering:
        missed: Meaning | None = None
        for _ in range(_TRIES):
            try:
                meaning = self._store.references.look_up(reference, shared=True)
            except NothingThere:
                for alias in (f"{reference}", f"{reference}@champion"):  # perhaps, and deleted
                    for remembered in (self._shadows, self._standing, self._refused):
                        remembered.pop(alias, None)
                raise
            try:
                answering = self._loaded(meaning)
            except FileNotFoundError as error:
                # It may have been deleted or replaced since it was looked up.
                if meaning == missed and meaning.shares[0][0].version is not None:
                    return self._as_before(meaning, error)
                missed = meaning
            except (OSError, ValueError) as error:
                return self._as_before(meaning, error)
            else:
                if meaning.alias is not None:
                    self._standing[meaning.alias] = meaning
                    self._refused.pop(meaning.alias, None)
                return answering
        raise NotYet(f"the checkpoint of job {reference} is being replaced; try again", retry_after=1)

    def _as_before(self, meaning: Meaning, error: Exception) -> _Answering:
        """Let those answer to whom an alias pointed before, since those to whom it points now cannot."""
        why = f"the weights of {' and '.join(_called(target) for target, _ in meaning.shares)} cannot be used: {error}"
        before = None if meaning.alias is None else self._standing.get(meaning.alias)
        if before is None or before == meaning:
            raise Damaged(why) from error
        assert meaning.alias is not None, "only what an alias means may change"
        refused = ({target.version for target, _ in meaning.shares}, why)
        if self._refused.get(meaning.alias) != refused:
            self._refused[meaning.alias] = refused
            _logger.error("%s goes on with what it was: %s", meaning.alias, why)
        try:
            return self._loaded(before)
        except (OSError, ValueError):
            raise Damaged(why) from error

    def _loaded(self, meaning: Meaning) -> _Answering:
        """Give those who answer; raises ValueError or OSError where one of them cannot be loaded."""
        shadow, why_not = self._shadow_of(meaning)  # first: it must not take the memory of those who answer
        served = tuple(self._networks.get(target) for target, _ in meaning.shares)
        if shadow is not None and not self._networks.has_room_for(shadow, *served):
            shadow, why_not = None, _NO_ROOM
        total, bounds = 0.0, []
        for _, share in meaning.shares:
            total += share
            bounds.append(total)
        return _Answering(served, tuple(bounds), self._shadowed(meaning, shadow, why_not))

    def _shadow_of(self, meaning: Meaning) -> tuple[Served | None, str | None]:
        """Give the network that is to be asked along, or why there is none: nobody has to suffer for that."""
        if meaning.alias is None or meaning.shadow is None:
            return None, None
        known = self._shadows.get(meaning.alias)
        if known is not None and known.is_of(meaning) and known.why_not == _NO_ROOM:
            return None, _NO_ROOM  # loading it would put out of memory those who answer, every time
        try:
            return self._networks.get(meaning.shadow), None
        except (OSError, ValueError) as error:
            return None, str(error)

    def _shadowed(self, meaning: Meaning, served: Served | None, why_not: str | None) -> Shadow | None:
        """Give what counts how the shadow of an alias does: of the same versions, always the same."""
        if meaning.alias is None:
            return None
        with self._counting:  # another reference may come down to the same alias: they have one shadow
            if meaning.shadow is None:
                self._shadows.pop(meaning.alias, None)
                return None
            shadow = self._shadows.get(meaning.alias)
            if shadow is None or not shadow.is_of(meaning):
                shadow = self._shadows[meaning.alias] = Shadow.of(meaning)
        if why_not not in {None, shadow.why_not}:
            _logger.error("the shadow of %s is not asked: %s", meaning.alias, why_not)
        shadow.served = None if served is None else weakref.ref(served)
        shadow.why_not = why_not
        return shadow


def _called(target: Target) -> str:
    if target.model is None:
        return f"the best checkpoint of job {target.job_id}"
    return f"version {target.version} of model {target.model}"
