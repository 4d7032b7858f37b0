"""What a worker's parent process does beside receiving messages.

It shows that it lives, and looks after its training processes and after the queue.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from service.broker.doorbell import Doorbell
from service.settings import Settings
from service.store.engine import DatabaseError, cause
from service.store.store import Store
from service.store.workers import Role
from worker.watchdog import Watchdog

_logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
"""How often a worker looks whether its training processes live: the jobs of one that died wait no longer."""

_FAREWELL_SECONDS = 5.0
"""How long a worker that leaves, and holds no job any more, may take to end by itself."""


@dataclass(eq=False)
class Heart:
    """Beats in a thread for as long as the process lives."""

    open_store: Callable[[], Store]
    doorbell: Doorbell
    settings: Settings
    role: Role
    worker_id: str
    messages_held: Callable[[], int]
    """How many messages were received and not yet dealt with: by processes that train, start or wait for a slot."""
    _leaving: threading.Event = field(default_factory=threading.Event)
    _killed: set[str] = field(default_factory=set)
    _held_at: float = field(default_factory=time.monotonic)
    _seen_at: float = 0.0
    _reconciled_at: float = 0.0
    _watchdog: Watchdog = field(default_factory=Watchdog)

    def start(self) -> None:
        """Begin to beat."""
        threading.Thread(target=self._beat_for_ever, name="heart", daemon=True).start()

    def leave(self) -> None:
        """Have the training processes give back what they train; cheap enough for a signal handler."""
        self._leaving.set()

    def heard(self) -> None:
        """Note that a message was received."""
        self._watchdog.heard()

    def _beat_for_ever(self) -> None:
        pause = threading.Event()
        has_left = False
        while True:
            try:
                # Opened here, and not before: a database that is away for now must not keep the heart from beating.
                store = self.open_store()
                if self._leaving.is_set() and not has_left:
                    store.workers.leave(self.worker_id)
                    has_left = True
                self._beat(store)
            except DatabaseError as error:
                _logger.warning("the database did not answer: %s", cause(error))
            except Exception:
                # Whatever it is, a worker that does not beat any more helps nobody: it tries again.
                _logger.exception("the heart of this worker missed a beat")
            if self._leaving.is_set():
                pause.wait(_LOOK_SECONDS)
            else:
                self._leaving.wait(min(_LOOK_SECONDS, self.settings.reconcile_seconds))

    def _beat(self, store: Store) -> None:
        now = time.monotonic()
        if now - self._seen_at >= self.settings.heartbeat_seconds:
            slots = self.settings.workers if self.role == "train" and not self._leaving.is_set() else 0
            store.workers.seen(self.worker_id, self.role, slots=slots)
            self._seen_at = now
        if self.role != "train":
            return
        busy = look_after_children(
            store, self.doorbell, self.worker_id, self._killed, kill_after_seconds=self.settings.kill_after_seconds
        )
        if busy or not self._leaving.is_set():
            self._held_at = now
        elif now - self._held_at > _FAREWELL_SECONDS:
            # Celery does not end while it waits for a broker that is away.
            _logger.warning("nothing is trained here any more; the worker ends without a word to the broker")
            os._exit(0)
        if now - self._reconciled_at >= self.settings.reconcile_seconds:
            idle = not self._leaving.is_set() and has_room(busy, self.messages_held(), slots=self.settings.workers)
            # Asked before this worker itself rings, and has had no time to hear it.
            if self._watchdog.is_deaf(rings_waiting=self.doorbell.rings_waiting(), idle=idle):
                _logger.critical("rings wait at the broker and this worker hears none; it ends, to be started anew")
                # Not by a signal: the event loop that would handle it is what hangs. Its children end with it.
                os._exit(70)
            reconcile(store, self.doorbell, ring_again_seconds=self.settings.ring_again_seconds)
            self._reconciled_at = now


def has_room(training: int, messages: int, *, slots: int) -> bool:
    """Whether a worker could deal with another message, by its processes that train and the messages it holds.

    Processes that only start hold messages, and no job yet: on a busy machine that takes minutes.
    """
    return max(training, messages) < slots


def look_after_children(
    store: Store, doorbell: Doorbell, worker_id: str, killed: set[str], *, kill_after_seconds: float
) -> int:
    """Take jobs back from training processes of this worker that died, and kill those that do not stop when asked.

    Gives how many processes hold jobs; those that were killed are noted in `killed`.
    """
    held = store.rescue.of_worker(worker_id)
    for owner, asked_seconds_ago in held.items():
        number = int(owner.rpartition("/")[2])
        if not _is_alive(number):
            waiting = store.rescue.release_dead(owner, killed=owner in killed)
            killed.discard(owner)
            _logger.warning("training process %d is gone; %d job(s) wait again", number, len(waiting))
            doorbell.ring(waiting)
        elif asked_seconds_ago > kill_after_seconds and owner not in killed:
            _logger.warning("training process %d did not stop in %g s; it is killed", number, kill_after_seconds)
            killed.add(owner)
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
    return len(held)


def _is_alive(number: int) -> bool:
    """Whether a child runs: one that has died, but that Celery has not yet waited for, does not."""
    try:
        if sys.platform == "darwin":
            os.kill(number, 0)
            return True
        return os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except (ProcessLookupError, PermissionError, ChildProcessError):
        return False


def reconcile(store: Store, doorbell: Doorbell, *, ring_again_seconds: float) -> None:
    """Take jobs back from workers that fell silent, and ring again for jobs and trials that nobody heard of.

    Jobs are rung again only when no ring waits at the broker: while one does, the queue is merely long, and every
    ring that is heard takes the job that has waited longest.
    """
    expired = store.rescue.release_expired()
    if expired:
        _logger.warning("took %d job(s) back from workers that fell silent: %s", len(expired), ", ".join(expired))
        doorbell.ring(expired)
    unheard = store.rescue.unheard(ring_again_seconds)
    if unheard and doorbell.rings_waiting() == 0 and doorbell.ring(unheard):
        store.rescue.rung(unheard)
    ask_for_trials(store, doorbell)


def ask_for_trials(store: Store, doorbell: Doorbell) -> None:
    """Ask for the next trials of sweeps that have room for more, unless errands wait already."""
    wanting = store.sweeps.wanting()
    if wanting and doorbell.errands_waiting() == 0:
        for sweep_id in wanting:
            doorbell.ask_for_trials(sweep_id)
