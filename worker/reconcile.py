"""Jobs, readings and evaluations are taken back from workers that fell silent, and rung for again; old uploads end."""

import logging
import os
import signal
import sys
from collections.abc import Collection
from contextlib import suppress

from service.artifacts import Artifacts
from service.broker.doorbell import Doorbell
from service.disk.floor import Floor
from service.store.shared_columns import EVERYONE
from service.store.store import Store

_logger = logging.getLogger(__name__)


def has_room(training: int, messages: int, *, slots: int) -> bool:
    """Whether a worker could deal with another message, by its processes that train and the messages it holds.

    Processes that only start hold messages, and no job yet: on a busy machine that takes minutes.
    """
    return max(training, messages) < slots


def look_after_children(
    store: Store,
    doorbell: Doorbell,
    worker_id: str,
    killed: set[str],
    *,
    gone: Collection[int] = (),
    kill_after_seconds: float,
) -> int:
    """Take jobs back from training processes of this worker that died, and kill those that do not stop when asked.

    Gives how many processes hold jobs; those that were killed are noted in `killed`. Those of `gone` are known to have
    ended, even if the system still counts them for some milliseconds.
    """
    held = store.stalled.of_worker(worker_id)
    for owner, asked_seconds_ago in held.items():
        number = int(owner.rpartition("/")[2])
        if number in gone or not _is_alive(number):
            waiting = store.stalled.release_dead(owner, killed=owner in killed)
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
    """Whether a training process runs; a child that has died, but that nobody has waited for yet, does not."""
    try:
        if sys.platform != "darwin":
            return os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        pass  # no child of the worker's, but of the server it was forked from, which waits for it at once
    try:
        os.kill(number, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def reconcile(store: Store, doorbell: Doorbell, floor: Floor, *, ring_again_seconds: float) -> None:
    """Take jobs back from workers that fell silent, and ring again for jobs and trials that nobody heard of.

    And decide on jobs that wait at a rung, should the last of those they waited for have been cancelled or have died.

    Jobs are rung again only when no ring waits at the broker: while one does, the queue is merely long, and every
    ring that is heard takes the job that has waited longest. None is rung for while the disk has no room to begin one:
    whoever hears it would take none, and it would be rung for again without end, each time with a line on that disk.
    """
    expired = store.stalled.release_expired()
    if expired:
        _logger.warning("took %d job(s) back from workers that fell silent: %s", len(expired), ", ".join(expired))
        doorbell.ring(expired)
    if (floor.shortage() or floor.unwritable()) is None:
        if settled := store.rungs.settle():
            doorbell.ring(settled)
        unheard = store.stalled.unheard(ring_again_seconds)
        if unheard and doorbell.rings_waiting() == 0 and doorbell.ring(unheard):
            store.stalled.announced(unheard)
        ring_for_readings(store, doorbell, ring_again_seconds=ring_again_seconds)
        ask_for_evaluations(store, doorbell, ring_again_seconds=ring_again_seconds)
    ask_for_trials(store, doorbell)


def ring_for_readings(store: Store, doorbell: Doorbell, *, ring_again_seconds: float) -> None:
    """Take readings back from workers that fell silent, and ring again for those that nobody heard of."""
    expired = store.readings.release_expired()
    if expired:
        _logger.warning("took %d reading(s) back from workers that fell silent", len(expired))
    waiting = expired or store.readings.unheard(ring_again_seconds)
    if waiting and doorbell.readings_waiting() == 0 and doorbell.ring_for_readings(waiting):
        store.readings.announced(waiting)


def ask_for_evaluations(store: Store, doorbell: Doorbell, *, ring_again_seconds: float) -> None:
    """Take evaluations back from workers that fell silent, and ask again for those that nobody heard of."""
    expired = store.evaluations.release_expired()
    if expired:
        _logger.warning("took %d evaluation(s) back from workers that fell silent", len(expired))
    waiting = expired or store.evaluations.unheard(ring_again_seconds)
    if waiting and doorbell.errands_waiting() == 0 and doorbell.ask_for_evaluations(waiting):
        store.evaluations.announced(waiting)


def end_uploads(store: Store, artifacts: Artifacts) -> None:
    """Remove uploads that have expired, and their files unless versions have them."""
    if gone := store.of(EVERYONE).uploads.expire():
        _logger.info("removed the files of %d upload(s) that expired", len(gone))
        artifacts.remove(gone)


def ask_for_trials(store: Store, doorbell: Doorbell) -> None:
    """Ask for the next trials of sweeps that have room for more, unless errands wait already."""
    wanting = store.sweeps.wanting()
    if wanting and doorbell.errands_waiting() == 0:
        for sweep_id in wanting:
            doorbell.ask_for_trials(sweep_id)
