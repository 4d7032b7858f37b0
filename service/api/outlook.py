"""When jobs will begin: the queue is read and played through, for all who ask within a while."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from models.spec import TrainingSpec
from models.workload import GROUP
from service.api.pace import Pace, amounts
from service.disk.floor import Floor
from service.settings import Settings
from service.store.engine import Row
from service.store.queue.simulation import Begins, Process, Waits, play
from service.store.queue.waiting import Snapshot
from service.store.resolution import Meant
from service.store.states import POINT_MS
from service.store.store import Store

WaitsFor = Literal["turn", "worker", "limit", "rung", "disk"]

_LEAST_SECONDS = 1.0
_SHARE = 20
"""What was read is good for so many times as long as it took: who asks again and again costs a twentieth of a core."""

_SHORT = 0.02
"""Seconds in which a short queue is read and played through."""

_UNKNOWN_EPOCH_SECONDS = 1.0


@dataclass(frozen=True)
class Outlook:
    """The queue as it stood at a moment, and when the jobs that waited then are to begin."""

    snapshot: Snapshot
    waiting: dict[str, list[Waits]]
    processes: list[Process]
    begins: dict[str, Begins]

    def busy(self) -> int:
        """Count the processes that train."""
        return len({row.owner for row in self.snapshot.running})


class Outlooks:
    """Gives outlooks that are as new as they need be."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.pace = Pace(store)
        self._store, self._settings = store, settings
        self._lock = Lock()
        self._known: Outlook | None = None
        self._good_until = self._took = 0.0
        self._seconds: dict[tuple[str, str], float] = {}

    @property
    def _group(self) -> int:
        return self._settings.group_size or GROUP

    def now(self, job_id: str | None = None) -> Outlook:
        """Give the queue as it stands, or stood a moment ago; if it is short, with a job that came since."""
        with self._lock:
            began = time.monotonic()
            is_new = job_id is not None and self._took < _SHORT and not self._has(job_id)
            if self._known is None or is_new or began > self._good_until:
                self._known = self._made()
                self._took = time.monotonic() - began
                self._good_until = time.monotonic() + max(_LEAST_SECONDS, _SHARE * self._took)
            return self._known

    def _has(self, job_id: str) -> bool:
        return self._known is not None and job_id in self._known.begins

    def with_these(self, account: str, specs: Sequence[tuple[TrainingSpec, float]]) -> tuple[Begins | None, float]:
        """Tell when the first of jobs that came now would begin, each with its seconds, and when the last would end.

        None where no worker is there, or the account has so many waiting that nobody can say.
        """
        now = self.now()
        priority = max(spec.priority for spec, _ in specs)
        turn = now.snapshot.at - priority * POINT_MS
        mine = [
            Waits(f"new-{number}", account, spec.shape, 0, seconds, is_shared="/" not in spec.dataset)
            for number, (spec, seconds) in enumerate(specs)
        ]
        rows = now.snapshot.waiting.get(account, ())
        place = sum(row.turn <= turn for row in rows)
        if place == len(rows) < now.snapshot.counts.get(account, 0):
            return None, 0.0
        line = now.waiting.get(account, [])
        waiting = {**now.waiting, account: [*line[:place], *mine, *line[place:]]}
        begins = play(now.processes, now.snapshot.shares.copy(), waiting, most=self._group)
        its = [(begins[job.id], job.seconds) for job in mine if job.id in begins]
        return min((one for one, _ in its), key=lambda one: one.place, default=None), max(
            (one.seconds + seconds for one, seconds in its), default=0.0
        )

    def _made(self) -> Outlook:
        snapshot = self._store.queue.snapshot(seen_within_seconds=3 * self._settings.heartbeat_seconds)
        self._learn(snapshot)
        waiting = {
            account: [
                Waits(
                    row.id,
                    account,
                    row.shape,
                    row.fruitless_attempts,
                    self._epoch(row) * (row.epochs - row.last_epoch),
                    is_shared=row.dataset_version is None,
                )
                for row in rows
            ]
            for account, rows in snapshot.waiting.items()
        }
        busy: dict[str, list[Row]] = {}
        for row in snapshot.running:
            busy.setdefault(row.owner, []).append(row)
        processes = [
            Process(max(self._left(row) for row in rows), tuple(row.account for row in rows)) for rows in busy.values()
        ]
        processes += [Process()] * (snapshot.slots - len(busy))
        begins = play(processes, snapshot.shares.copy(), waiting, most=self._group) if snapshot.slots else {}
        return Outlook(snapshot, waiting, processes, begins)

    def _left(self, row: Row) -> float:
        """Give the seconds until a job ends that runs: it and those beside it take their turns at each step."""
        epoch = row.epoch_seconds or self._epoch(row) * (row.together or 1)
        return float(epoch * (row.epochs - row.last_epoch))

    def _epoch(self, row: Row) -> float:
        return self._seconds.get((row.account, row.shape), _UNKNOWN_EPOCH_SECONDS)

    def _learn(self, snapshot: Snapshot) -> None:
        """Judge each shape that runs or waits by one of its jobs."""
        every = [*snapshot.running, *(row for rows in snapshot.waiting.values() for row in rows)]
        first = {(row.account, row.shape): row.id for row in reversed(every)}
        self._seconds = {}
        for row in self._store.queue.specs(list(first.values())[:500]):
            spec = TrainingSpec.model_validate(row.spec)
            meant = Meant(spec.dataset, self._store.of(row.account).resolution.row_of(spec.dataset))
            if (data := amounts(spec, meant)) is not None:
                self._seconds[row.account, row.shape] = self.pace.estimate(spec, data, row.account).epoch_seconds


def waits_for(outlook: Outlook, account: str, floor: Floor) -> WaitsFor:
    """Tell what jobs of an account wait for that are queued."""
    if not outlook.snapshot.slots:
        return "worker"
    if floor.shortage() is not None:
        return "disk"
    return "limit" if outlook.snapshot.shares.of(account).room == 0 else "turn"
