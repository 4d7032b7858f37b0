"""Whose turn it is among accounts: start-time fair queueing. Pure: figures of the record in, an order out.

Goyal, Vin and Cheng 1997, https://doi.org/10.1109/90.649569. Each account has a time of its own, which goes on by the
seconds that it is charged for a job, divided by its weight; whose time is behind the others' is next. Who comes anew,
or again, begins at the time at which the last job was taken: nobody saves up turns, and nobody waits for those who came
before to have had theirs. So an account that waits all the time is never further behind another, by what each has had
for its weight, than one claim of either comes to; and one that was not ahead when it came waits for at most one claim
of each of the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")

_ALONE_AFTER = 3  # fruitless attempts; a job is given up after five (service/store/stalled.py)


@dataclass(frozen=True)
class Share:
    """What an account has had of the processes, in seconds of one process for a weight of 1.

    Its last claim began at `begun`, and the next one begins at `due` if it is not late for it. Its jobs that run have
    taken `overrun` seconds more by now than they were charged, by `processes`; `room` more may run, or any number.
    """

    account: str
    weight: float = 1.0
    begun: float = 0.0
    due: float = 0.0
    overrun: float = 0.0
    processes: int = 0
    room: int | None = None


class Ledger:
    """The shares of all accounts, and what is charged to them meanwhile."""

    def __init__(self, shares: Iterable[Share]) -> None:
        self._shares = {share.account: share for share in shares}
        self.now = max((share.begun for share in self._shares.values()), default=0.0)
        """The time at which the last job was taken."""
        self.read_at = self.now
        """The same when this was read."""
        self.charged: dict[str, float] = {}
        """Seconds that were charged since, by account."""

    def copy(self) -> "Ledger":
        """Give one that may be charged without this one."""
        return Ledger(self._shares.values())

    def of(self, account: str) -> Share:
        """Give the share of an account; one that nobody has seen has had nothing."""
        return self._shares.get(account) or Share(account)

    def full(self) -> list[str]:
        """Give the accounts that have as many jobs running as they may."""
        return [name for name, share in self._shares.items() if share.room is not None and share.room <= 0]

    def begins(self, account: str) -> float:
        """Give the time at which the next claim of an account begins."""
        share = self.of(account)
        return max(share.due + share.overrun / share.weight, self.now)

    def in_turn(self, accounts: Iterable[str]) -> list[str]:
        """Give those of some accounts that may have a job begun, whose turn it is first.

        Of equals, who has fewer processes for its weight; then who was served longer ago.
        """
        able = [share for share in map(self.of, accounts) if share.room is None or share.room > 0]
        able.sort(key=lambda its: (self.begins(its.account), its.processes / its.weight, its.begun, its.account))
        return [share.account for share in able]

    def charge(self, account: str, seconds: float) -> None:
        """Note that a job was taken, which is expected to take so many seconds of a process."""
        share, begin = self.of(account), self.begins(account)
        self.now = max(self.now, begin)
        self._shares[account] = replace(
            share,
            begun=begin,
            due=begin + (seconds - share.overrun) / share.weight,
            room=None if share.room is None else share.room - 1,
        )
        self.charged[account] = self.charged.get(account, 0.0) + seconds

    def ended(self, accounts: Iterable[str]) -> None:
        """Note that a job of each has ended: another one may run."""
        for account in accounts:
            share = self.of(account)
            if share.room is not None:
                self._shares[account] = replace(share, room=share.room + 1)

    def together(
        self, mine: str, alike: Mapping[str, Iterator[T]], cost: Callable[[T], float], *, most: int
    ) -> list[T]:
        """Choose at most so many jobs to go with one of an account that was taken, from those of each that are alike.

        An account's own jobs are always welcome. Those of another come along where they would have been served before
        the first account again, and are charged as if they had been.
        """
        chosen, left = list[T](), dict(alike)
        while len(chosen) < most:
            due = [account for account in left if account == mine or self.begins(account) < self.begins(mine)]
            account = next(iter(self.in_turn(due)), None)
            if account is None:
                break
            if (job := next(left[account], None)) is None:
                del left[account]
            else:
                chosen.append(job)
                self.charge(account, cost(job))
        return chosen


def room(waiting: int, fruitless: int, *, most: int, slots: int) -> int:
    """Count the jobs that a process takes beside a first one: its share of those alike that wait; so all find some.

    One of those that were taken in vain may be to blame for the end of their worker: the others shall not be given up
    with it. Each time their groups are a quarter as large, and at the fourth attempt each is alone.
    """
    most = most // 4**fruitless if fruitless < _ALONE_AFTER else 1
    return max(0, min(most, -(-(waiting + 1) // max(slots, 1))) - 1)
