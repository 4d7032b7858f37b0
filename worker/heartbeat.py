"""What a worker's parent process does beside receiving messages.

It shows that it lives, and looks after its training processes and after the queue.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.artifacts import Artifacts
from service.broker.doorbell import Doorbell
from service.disk.floor import Floor
from service.settings import Settings
from service.store.engine import DatabaseError, cause
from service.store.store import Store
from service.store.workers import Role
from worker.reconcile import end_uploads, has_room, look_after_children, reconcile
from worker.watchdog import Watchdog

_logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
"""How often a worker looks whether its training processes live: the jobs of one that died wait no longer."""

_FAREWELL_SECONDS = 5.0
"""How long a worker that drains, and holds no job any more, may take to end by itself."""


@dataclass(eq=False)
class Heartbeat:
    """Beats in a thread for as long as the process lives."""

    open_store: Callable[[], Store]
    doorbell: Doorbell
    settings: Settings
    role: Role
    worker_id: str
    messages_held: Callable[[], int]
    """How many messages were received and not yet dealt with: by processes that train, start or wait for a slot."""
    can_train: Callable[[], bool]
    """Whether one of its training processes can; before that a worker for training does not say that it is there."""
    _draining: threading.Event = field(default_factory=threading.Event)
    _woken: threading.Event = field(default_factory=threading.Event)
    _gone: set[int] = field(default_factory=set)
    _killed: set[str] = field(default_factory=set)
    _held_at: float = field(default_factory=time.monotonic)
    _seen_at: float = float("-inf")
    _reconciled_at: float = 0.0
    _watchdog: Watchdog = field(default_factory=Watchdog)

    def start(self) -> None:
        """Begin to beat."""
        threading.Thread(target=self._beat_for_ever, name="heartbeat", daemon=True).start()

    def drain(self) -> None:
        """Have the training processes give back what they train; cheap enough for a signal handler."""
        self._draining.set()
        self._woken.set()

    def wake(self) -> None:
        """Beat at once."""
        self._woken.set()

    def lost(self, number: int) -> None:
        """Note that a training process has ended: its jobs are taken back at once."""
        self._gone.add(number)
        self._woken.set()

    def heard(self) -> None:
        """Note that a message was received."""
        self._watchdog.heard()

    def _beat_for_ever(self) -> None:
        is_noted = False
        while True:
            try:
                # Opened here, and not before: a database that is away for now must not stop the heartbeat.
                store = self.open_store()
                if self._draining.is_set() and not is_noted:
                    store.workers.drain(self.worker_id)
                    is_noted = True
                self.beat(store)
            except DatabaseError as error:
                _logger.warning("the database did not answer: %s", cause(error))
            except Exception:
                # Whatever it is, a worker without a heartbeat helps nobody: it tries again.
                _logger.exception("the heartbeat of this worker missed a beat")
            self._woken.wait(min(_LOOK_SECONDS, self.settings.reconcile_seconds))
            self._woken.clear()

    def beat(self, store: Store) -> None:
        """Do what is due: the next beat comes within half a second, or when something has happened."""
        now = time.monotonic()
        is_able = self.role != "train" or self.can_train()
        if is_able and now - self._seen_at >= self.settings.heartbeat_seconds:
            slots = self.settings.workers if self.role == "train" and not self._draining.is_set() else 0
            store.workers.seen(self.worker_id, self.role, slots=slots)
            self._seen_at = now
        if self.role != "train":
            return
        gone = set(self._gone)
        busy = look_after_children(
            store,
            self.doorbell,
            self.worker_id,
            self._killed,
            gone=gone,
            kill_after_seconds=self.settings.kill_after_seconds,
        )
        self._gone -= gone
        if busy or not self._draining.is_set():
            self._held_at = now
        elif now - self._held_at > _FAREWELL_SECONDS:
            # Celery does not end while it waits for a broker that is away.
            _logger.warning("nothing is trained here any more; the worker ends without a word to the broker")
            os._exit(0)
        if now - self._reconciled_at >= self.settings.reconcile_seconds:
            idle = not self._draining.is_set() and has_room(busy, self.messages_held(), slots=self.settings.workers)
            # Asked before this worker itself rings, and has had no time to hear it.
            if self._watchdog.is_deaf(rings_waiting=self.doorbell.rings_waiting(), idle=idle):
                _logger.critical("rings wait at the broker and this worker hears none; it ends, to be started anew")
                # Not by a signal: the event loop that would handle it is what hangs. Its children end with it.
                os._exit(70)
            floor = Floor.of(self.settings, store.database.file)
            reconcile(store, self.doorbell, floor, ring_again_seconds=self.settings.ring_again_seconds)
            end_uploads(store, Artifacts(self.settings.artifacts))
            self._reconciled_at = now
