"""In which order jobs that wait will begin, and when: the queue is played through, as the workers would. Pure."""

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.store.queue.shares import Ledger, room


@dataclass(frozen=True)
class Waits:
    """A job that waits, and the seconds of a process that it is expected to take."""

    id: str
    account: str
    shape: str
    fruitless: int
    seconds: float
    is_shared: bool
    """Whether jobs of other accounts may learn from the same data."""


@dataclass(frozen=True)
class Begins:
    """When a job is expected to begin: so many seconds from now, as the first, second and so on of all that wait."""

    place: int
    seconds: float


@dataclass(frozen=True)
class Process:
    """A process that trains: in how many seconds it is free, and whose the jobs are that end then."""

    free_in: float = 0.0
    accounts: tuple[str, ...] = ()


def play(
    processes: Sequence[Process], of: Ledger, waiting: Mapping[str, Sequence[Waits]], *, most: int
) -> dict[str, Begins]:
    """Give when each job begins, by its id, if nobody comes, leaves or is mistaken.

    Each process takes jobs in groups of `most` at most; `waiting` are those of each account in their order. What is
    charged meanwhile is charged to `of`.
    """
    line, begins, idle = _Line(waiting), dict[str, Begins](), 0
    ends = [(process.free_in, number, process.accounts) for number, process in enumerate(processes)]
    heapq.heapify(ends)
    while ends and not line.is_empty():
        now, _, accounts = heapq.heappop(ends)
        of.ended(accounts)
        idle += 1
        while idle and (first := line.first(of)) is not None:
            idle -= 1
            of.charge(first.account, first.seconds)
            beside = room(line.count_alike(first), first.fruitless, most=most, slots=len(processes))
            group = [first, *of.together(first.account, line.alike(first), lambda its: its.seconds, most=beside)]
            for job in group:
                line.take(job)
                begins[job.id] = Begins(len(begins) + 1, now)
            until = now + sum(job.seconds for job in group)
            heapq.heappush(ends, (until, len(processes) + len(begins), tuple(job.account for job in group)))
    return begins


class _Line:
    """The jobs that wait: of each account in order, and of each account and shape in order."""

    def __init__(self, waiting: Mapping[str, Sequence[Waits]]) -> None:
        self._taken = set[str]()
        self._all = {account: deque(jobs) for account, jobs in waiting.items() if jobs}
        self._alike: dict[tuple[str, int], dict[str, deque[Waits]]] = {}
        self._counts: Counter[tuple[str, int]] = Counter()
        for account, jobs in self._all.items():
            for job in jobs:
                self._alike.setdefault(_kind(job), {}).setdefault(account, deque()).append(job)
                self._counts[_kind(job)] += 1

    def is_empty(self) -> bool:
        """Whether nobody waits any more."""
        return not any(self._counts.values())

    def first(self, of: Ledger) -> Waits | None:
        """Give the job whose turn it is."""
        for account in list(self._all):
            self._drop_taken(self._all[account])
            if not self._all[account]:
                del self._all[account]
        for account in of.in_turn(self._all):
            job = self._all[account][0]
            self.take(job)
            return job
        return None

    def count_alike(self, job: Waits) -> int:
        """Count those that wait and are like one."""
        return self._counts[_kind(job)]

    def alike(self, job: Waits) -> dict[str, Iterator[Waits]]:
        """Give for each account those that may be trained together with one."""
        queues = self._alike[_kind(job)]
        theirs = (
            queues if job.is_shared else {account: its for account, its in queues.items() if account == job.account}
        )
        for queue in theirs.values():
            self._drop_taken(queue)
        return {account: iter(queue) for account, queue in theirs.items()}

    def take(self, job: Waits) -> None:
        """Note that a job waits no more."""
        if job.id not in self._taken:
            self._taken.add(job.id)
            self._counts[_kind(job)] -= 1

    def _drop_taken(self, queue: deque[Waits]) -> None:
        while queue and queue[0].id in self._taken:
            queue.popleft()


def _kind(job: Waits) -> tuple[str, int]:
    return job.shape, job.fruitless
