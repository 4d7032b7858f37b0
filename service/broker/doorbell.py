"""The doorbell: tells workers that something waits. A message names what to look at, and is allowed to get lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.broker.messages import Messages

TRAIN = "train"
ERRANDS = "errands"
READINGS = "readings"

MAX_RINGS = 1000
"""So many at a time: more than training processes can hear at once, and three seconds' work for whoever rings."""


@dataclass(frozen=True)
class Doorbell:
    """Rings workers through the broker. A bell that cannot be rung is logged and rung again later, by a worker."""

    broker_url: str

    @cached_property
    def _messages(self) -> "Messages":
        # Imported late: Celery and Redis take a third of a second, and the first prediction needs neither.
        from service.broker.messages import Messages

        return Messages(self.broker_url, (TRAIN, ERRANDS, READINGS))

    def ring(self, job_ids: Sequence[str]) -> bool:
        """Tell training workers that these jobs wait, one message a job; gives whether the broker took them all.

        Of many only the first `MAX_RINGS`: the others are rung for when these have been heard, as if nobody had.
        """
        return self._send("tenfold.train", [[[job_id]] for job_id in job_ids[:MAX_RINGS]], TRAIN)

    def ask_for_plot(self, job_id: str, plot: str) -> bool:
        """Ask for a plot of a job, by its whole id; gives whether the broker took it."""
        return self._send("tenfold.draw", [[job_id, plot]], ERRANDS)

    def ask_for_sweep_plot(self, sweep_id: str, plot: str) -> bool:
        """Ask for a plot of a sweep; gives whether the broker took it."""
        return self._send("tenfold.draw_sweep", [[sweep_id, plot]], ERRANDS)

    def ask_for_ensemble(
        self, account: str, model: str, members: Sequence[tuple[str, int]], promotion: Mapping[str, Any]
    ) -> bool:
        """Ask for a version of an account's model that is made of several; gives whether the broker took it.

        `promotion` has the fields of the store's `Promotion`.
        """
        return self._send("tenfold.combine", [[model, members, promotion, account]], ERRANDS)

    def ask_for_version(self, model: str, job_id: str, checkpoint: str, promotion: Mapping[str, Any]) -> bool:
        """Ask for a version of a model that is made of a job's checkpoint; gives whether the broker took it."""
        return self._send("tenfold.adopt", [[model, job_id, checkpoint, promotion]], ERRANDS)

    def ask_for_export(self, account: str, model: str, version: int, form: str) -> bool:
        """Ask for a version in a form for programs of others; gives whether the broker took it."""
        return self._send("tenfold.export", [[model, version, form, account]], ERRANDS)

    def ask_for_evaluations(self, evaluation_ids: Sequence[str]) -> bool:
        """Tell the worker for errands that these evaluations wait; gives whether the broker took it."""
        return self._send("tenfold.evaluate", [[its_id] for its_id in evaluation_ids[:MAX_RINGS]], ERRANDS)

    def ask_for_trials(self, sweep_id: str) -> bool:
        """Ask for the next trials of a sweep that chooses them by what it has learned; whether the broker took it."""
        return self._send("tenfold.extend", [[sweep_id]], ERRANDS)

    def ring_for_readings(self, versions: Sequence[tuple[str, str, int]]) -> bool:
        """Tell the worker for readings that versions of data sets wait, each by whose it is, its name and number.

        Gives whether the broker took it.
        """
        calls = [[name, number, account] for account, name, number in versions[:MAX_RINGS]]
        return self._send("tenfold.read", calls, READINGS)

    def _send(self, task: str, calls: Sequence[list[Any]], queue: str) -> bool:
        return self._messages.send(task, calls, queue)

    def rings_waiting(self) -> int | None:
        """Count the rings that no training worker has heard yet; None when the broker does not answer."""
        return self._messages.waiting(TRAIN)

    def errands_waiting(self) -> int | None:
        """Count the errands that no worker has begun; None when the broker does not answer."""
        return self._messages.waiting(ERRANDS)

    def readings_waiting(self) -> int | None:
        """Count the rings that no worker for readings has heard yet; None when the broker does not answer."""
        return self._messages.waiting(READINGS)

    def is_alive(self) -> bool:
        """Whether the broker answers."""
        return self.rings_waiting() is not None
