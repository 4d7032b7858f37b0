"""What a worker's parent process does beside receiving messages: it shows that it lives, and looks after the queue."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.queue import Doorbell
from service.settings import Settings
from service.store import Store
from service.store.engine import DatabaseError, cause
from service.store.workers import Role

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heart:
    """Beats in a thread for as long as the process lives."""

    open_store: Callable[[], Store]
    doorbell: Doorbell
    settings: Settings
    role: Role
    worker_id: str

    def start(self) -> None:
        """Begin to beat."""
        threading.Thread(target=self._beat_for_ever, name="heart", daemon=True).start()

    def _beat_for_ever(self) -> None:
        pause = threading.Event()
        last_seen = 0.0
        while True:
            try:
                # Opened here, and not before: a database that is away for now must not keep the heart from beating.
                store = self.open_store()
                if time.monotonic() - last_seen >= self.settings.heartbeat_seconds:
                    slots = self.settings.workers if self.role == "train" else 0
                    store.workers.seen(self.worker_id, self.role, slots=slots)
                    last_seen = time.monotonic()
                if self.role == "train":
                    reconcile(store, self.doorbell, ring_again_seconds=self.settings.ring_again_seconds)
            except DatabaseError as error:
                _logger.warning("the database did not answer: %s", cause(error))
            pause.wait(self.settings.reconcile_seconds)


def reconcile(store: Store, doorbell: Doorbell, *, ring_again_seconds: float) -> None:
    """Take jobs back from workers that fell silent, and ring again for jobs and trials that nobody heard of.

    Jobs are rung again only when no ring waits at the broker: while one does, the queue is merely long, and every
    ring that is heard takes the job that has waited longest.
    """
    expired = store.runs.release_expired()
    if expired:
        _logger.warning("took %d job(s) back from workers that fell silent: %s", len(expired), ", ".join(expired))
        doorbell.ring(expired)
    unheard = store.runs.unheard(ring_again_seconds)
    if unheard and doorbell.rings_waiting() == 0 and doorbell.ring(unheard):
        store.runs.rung(unheard)
    ask_for_trials(store, doorbell)


def ask_for_trials(store: Store, doorbell: Doorbell) -> None:
    """Ask for the next trials of sweeps that have room for more, unless errands wait already."""
    wanting = store.sweeps.wanting()
    if wanting and doorbell.errands_waiting() == 0:
        for sweep_id in wanting:
            doorbell.ask_for_trials(sweep_id)
