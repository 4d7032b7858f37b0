"""Which networks stay loaded: those used last, as many as the memory is meant for."""

import threading
from collections import OrderedDict

from service.artifacts import Artifacts
from service.predict.served import Served
from service.store.references import Target


class Networks:
    """The networks that were used last, of at most `most_bytes` together; of one that is larger, that one alone."""

    def __init__(self, artifacts: Artifacts, most_bytes: int) -> None:
        self._artifacts = artifacts
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # held while one is loaded; whose networks are loaded do not wait for it
        self._bytes = 0
        self._kept: OrderedDict[Target, Served] = OrderedDict()

    def get(self, target: Target) -> Served:
        """Give a network that is kept, or load it; it counts as used. Raises what `Served.load` raises."""
        if (kept := self._get(target)) is not None:
            return kept
        with self._loading:
            if (kept := self._get(target)) is not None:  # somebody else has loaded it meanwhile
                return kept
            served = Served.load(target, self._artifacts)
            self._keep(target, served)
            return served

    def has_room_for(self, *together: Served) -> bool:
        """Whether these could be kept at the same time."""
        return sum(served.size_bytes for served in together) <= self._most_bytes

    def drop(self, served: Served | None) -> None:
        """Keep a network no more."""
        with self._lock:
            for target in [target for target, kept in self._kept.items() if kept is served]:
                self._bytes -= self._kept.pop(target).size_bytes

    def _get(self, target: Target) -> Served | None:
        with self._lock:
            if target not in self._kept:
                return None
            self._kept.move_to_end(target)
            return self._kept[target]

    def _keep(self, target: Target, served: Served) -> None:
        """Keep a network, and drop those that were not used for longest until it has room."""
        with self._lock:
            self._kept[target] = served
            self._bytes += served.size_bytes
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.size_bytes
