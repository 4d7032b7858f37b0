"""Trained networks, loaded once and kept."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.inference import read
from models.spec import PIXELS
from service.artifacts import Artifacts
from service.batcher import Batcher, Pace
from service.errors import Conflict, Damaged, NotFound, NotYet
from service.schemas import ModelView
from service.store import Store
from service.store.states import owner_of

FRESH_SECONDS = 1.0
"""How long an answer of the record is good for; at half of it, it is asked for anew, and nobody waits for that."""

_KEPT = 16
_TRIES = 5  # the best checkpoint of a running job may be replaced between looking it up and reading it


@dataclass(frozen=True, eq=False)
class Served:
    """A network that answers, whose batcher gives logits [n, 10], and what is said of it."""

    batcher: Batcher
    model: ModelView
    model_json: bytes


@dataclass(frozen=True)
class _Known:
    served: Served
    looked_up: float


class Predictor:
    """Finds the network that a request asks for; the last 16 that were used stay loaded."""

    def __init__(self, store: Store, artifacts: Artifacts, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str | None, _Known] = {}
        self._lookups: dict[str | None, asyncio.Task[Served]] = {}
        self._loading = threading.Lock()

        @lru_cache(maxsize=_KEPT)
        def load(job_id: str, key: str, sha256: str) -> Served:
            network = read(artifacts.read(key, sha256))
            pace = Pace.of(network.logits, np.zeros((64, PIXELS), np.uint8))
            view = ModelView(job_id=job_id, epoch=network.epoch, weights_sha256=sha256)
            return Served(Batcher(network.logits, pace), view, view.model_dump_json().encode())

        self._load = load

    async def find(self, reference: str | None) -> Served:
        """Give the best checkpoint of the job of this id, or without one, of the job that succeeded last.

        The record is asked at most twice a second, however many ask here; what it said is at most a second old.
        """
        known = self._known.get(reference)
        if known is not None:
            age = self._clock() - known.looked_up
            if age <= FRESH_SECONDS / 2:
                return known.served
            lookup = self._look_up(reference)
            if age <= FRESH_SECONDS:
                return known.served
        else:
            lookup = self._look_up(reference)
        # Whoever leaves must not take the lookup of the others along.
        return await asyncio.shield(lookup)

    def forget(self, reference: str | None) -> None:
        """Drop a loaded network from memory; whoever asks for it next loads it again."""
        self._known.pop(reference, None)
        self._load.cache_clear()  # all of them, as one alone can not be dropped: those in use are read again in passing

    def _look_up(self, reference: str | None) -> "asyncio.Task[Served]":
        lookup = self._lookups.get(reference)
        if lookup is None:
            lookup = self._lookups[reference] = asyncio.create_task(self._ask(reference))
            lookup.add_done_callback(lambda done: self._forget(reference, done))
        return lookup

    def _forget(self, reference: str | None, done: "asyncio.Task[Served]") -> None:
        del self._lookups[reference]
        if not done.cancelled() and done.exception() is not None:
            self._known.pop(reference, None)  # the next to ask waits for an answer, and is told why there is none

    async def _ask(self, reference: str | None) -> Served:
        now = self._clock()
        served = await asyncio.to_thread(self._served, reference)
        self._known.pop(reference, None)
        self._known[reference] = _Known(served, now)
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return served

    def _served(self, reference: str | None) -> Served:
        chosen = reference or self._store.jobs.newest_model()
        if chosen is None:
            raise NotFound("there is no model yet: train one with POST /jobs and wait until it has succeeded")
        for _ in range(_TRIES):
            file = self._store.files.get(owner_of(chosen), "best.safetensors")
            if file is None:
                break
            try:
                with self._loading:
                    return self._load(chosen, file.key, file.sha256)
            except FileNotFoundError:
                continue
            except ValueError as error:
                raise Damaged(f"the best checkpoint of job {chosen} can not be used: {error}") from error
        if self._store.jobs.get(chosen) is None:
            raise NotFound(f"there is no job {chosen}")
        if file is None:
            raise Conflict(f"job {chosen} has not finished an epoch yet, so there is nothing to predict with")
        raise NotYet(f"the checkpoint of job {chosen} is being replaced; try again", retry_after=1)
