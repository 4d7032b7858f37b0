"""Shadow traffic: a version is asked what another answers, and nobody waits for it; how often they agree is counted."""

import asyncio
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.predict.served import LOGITS, Scores, Served
from service.store.references import Meaning


@dataclass(eq=False)
class Shadow:
    """A version that is asked along, and what came of it in this process: examples compared, agreed on, and left out.

    Left out are those that came while too many were waiting, or while it was not loaded, or that it does not take in.
    `why_not` says what keeps it from being loaded, if anything does.
    """

    version: int
    beside: frozenset[int | None]  # the versions that answer: of others' answers the counts say nothing
    served: "weakref.ref[Served] | None" = None  # the memory is others' too, who may drop it
    why_not: str | None = None
    compared: int = 0
    agreed: int = 0
    left_out: int = 0

    @classmethod
    def of(cls, meaning: Meaning) -> "Shadow":
        """Begin to count for the shadow that an alias has."""
        assert meaning.shadow is not None, "only for an alias that has one"
        assert meaning.shadow.version is not None, "aliases point to versions"
        return cls(meaning.shadow.version, frozenset(target.version for target, _ in meaning.shares))

    def is_of(self, meaning: Meaning) -> bool:
        """Whether this is the shadow that is meant, beside the versions that are meant."""
        answering = {target.version for target, _ in meaning.shares}
        return meaning.shadow is not None and meaning.shadow.version == self.version and answering == self.beside

    def ask(self, pixels: NDArray[Any], logits: NDArray[np.float32], answering: Served) -> None:
        """Ask it what was answered with these logits; one that takes in, or names, something else cannot be asked."""
        served = None if self.served is None else self.served()
        # Those who ask this version itself come first, and shall find room.
        if served is None or served.batcher.waiting > served.batcher.largest or not _are_alike(served, answering):
            self.left_out += len(pixels)
            return
        future = served.batcher.put(pixels, admitted=True)
        future.add_done_callback(partial(self._compare, logits.argmax(axis=1)))

    def _compare(self, digits: NDArray[np.int64], asked: "asyncio.Future[Scores]") -> None:
        if asked.cancelled() or asked.exception() is not None:
            self.left_out += len(digits)
            return
        self.compared += len(digits)
        self.agreed += int((asked.result()[:, LOGITS].argmax(axis=1) == digits).sum())


def _are_alike(one: Served, other: Served) -> bool:
    return one.network.schema is other.network.schema or one.network.schema == other.network.schema
