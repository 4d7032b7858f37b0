"""The examples that two networks are measured on: without those that one of them has learned from.

Legend of shapes: N examples of a ground.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.data import learned
from models.data.builtin import BUILTIN
from models.data.draw import Rows
from models.data.examples import TEST, Examples
from models.data.load import load_test_part
from models.ensemble import Ensemble
from models.evaluated.judged import Judged, judge
from models.evaluated.unseen import hashes_of
from models.inference import Network
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.promotion import LEAST_EXAMPLES
from service.store.store import Store
from worker.datasets import load

T = TypeVar("T")

_KEPT = 8


class NotComparedError(Exception):
    """Why a new version cannot be compared with the champion; the message is what is told."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The `rows` of `examples` that are measured on, a part of a data set; `key` tells them from all others."""

    dataset: str
    part: str
    examples: Examples
    rows: Rows
    key: Hashable
    left_out: int = 0

    @classmethod
    def of_validation(cls, dataset: str, validation: Examples, key: Hashable) -> "Ground":
        """Take all of a validation part."""
        return cls(dataset, "validation", validation, np.arange(len(validation.labels)), key)

    @classmethod
    def of(cls, reference: str, store: Store, artifacts: Artifacts, settings: Settings) -> "Ground":
        """Take the test part of a data set where it has one, else all of it; raises ValueError or OSError."""
        if reference in BUILTIN and (test := _test_part(reference, settings.data)) is not None:
            return cls(reference, "test", test, np.arange(len(test.labels)), reference)
        examples = load(reference, store, artifacts, settings)
        # What two accounts call alike need not be the same; what is built in is.
        key = reference if reference in BUILTIN else examples.digest
        if examples.parts is not None and (examples.parts == TEST).any():
            return cls(reference, "test", examples, np.flatnonzero(examples.parts == TEST), key)
        return cls(reference, "all", examples, np.arange(len(examples.labels)), key)

    def without(self, taken: NDArray[np.bool_]) -> "Ground":
        """Leave out the examples that were learned from; raises NotComparedError where too few are left."""
        left, out = self.rows[~taken], int(taken.sum())
        if len(left) < LEAST_EXAMPLES:
            because = f", without {out:,} that it or the champion has learned from" if out else ""
            raise NotComparedError(
                f"{len(left)} examples are too few to compare by, less than {LEAST_EXAMPLES} ({self.part} of "
                f"{self.dataset}{because}); name a data set in evaluate_on"
            )
        key = self.key, hashlib.sha256(left.tobytes()).digest()
        return replace(self, rows=left, key=key, left_out=out)

    def seen(self, its_learned: NDArray[np.uint64] | None, network: Network | Ensemble) -> NDArray[np.bool_]:
        """Tell which of the examples a network has learned from, bool [N]; none where that is not known.

        Raises ValueError where they are none that it takes in.
        """
        if its_learned is None:
            return np.zeros(len(self.rows), bool)
        known = its_learned

        def look() -> NDArray[np.bool_]:
            its = self.examples
            return learned.seen(known, hashes_of(its.values, its.schema, network.schema, self.rows))

        return kept(("seen", hashlib.sha256(its_learned.tobytes()).digest(), network.schema, self.key), look)

    def judged(self, network: Network | Ensemble, facts: Mapping[str, Any]) -> Judged:
        """Measure a network, with its own temperature; raises ValueError where that cannot be done."""
        its = self.examples
        temperature = float(facts.get("temperature", 1.0))
        return judge(network, its.values, its.labels, its.schema, temperature, rows=self.rows)


@lru_cache(maxsize=1)
def _test_part(name: str, folder: Path) -> Examples | None:
    return load_test_part(name, folder)


_memory = OrderedDict[Hashable, Any]()


def kept(key: Hashable, make: Callable[[], T]) -> T:
    """Give what was made under a key, of the last few: jobs that end together meet the same champion and examples."""
    if key in _memory:
        _memory.move_to_end(key)
    else:
        _memory[key] = make()
        while len(_memory) > _KEPT:
            _memory.popitem(last=False)
    found: T = _memory[key]
    return found


def forget() -> None:
    """Look everything up anew."""
    _memory.clear()
