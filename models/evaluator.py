"""The evaluation of a group of networks after each epoch: beside their next one where a core is free, or else at once.

What comes out is the same either way, in the same order, to the bit.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from types import TracebackType
from typing import Self

import torch

from models.data.split import Split
from models.evaluation import Validation, accuracies, validations
from models.forward import Forward
from models.learner import Learner, Snapshot
from models.records import DivergenceError, TrainingRecord

MOST_BYTES = 2**28
"""Of copies of a group's weights and state, while it learns on; larger networks are evaluated before they do."""

Measured = list[tuple[float, Validation]]
"""Of each network: the share of the training part that it predicts correctly, and its validation."""


def core_is_free() -> bool:
    """Whether this process may run on as many cores again as its training keeps busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores >= 2 * torch.get_num_threads()


class Evaluator:
    """Evaluates networks, within a `with` block; at its end the thread, if there was one, has ended, amid its work too.

    At most one epoch of a group is under evaluation: its records are asked for before the next one begins. `beside`
    is asked after each epoch.
    """

    def __init__(self, split: Split, *, beside: Callable[[], bool]) -> None:
        self._split, self._is_beside = split, beside
        self._thread = ThreadPoolExecutor(1, "evaluation", prepare_thread)  # begins with its first work
        self._left = Event()
        self._ended: list[tuple[Learner, Snapshot]] = []
        self._measured: Callable[[], Measured] = list
        self._is_done: Callable[[], bool] = bool

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.shutdown()

    def begin(self, learners: Sequence[Learner], *, complete: bool = True) -> Iterator[TrainingRecord]:
        """End the epoch of these networks, and evaluate those that it left whole; yields which ones diverged.

        Yields their records as well unless they are evaluated beside their next epoch. Beside the last one nothing is
        trained: where a core is free, it takes one of the two parts of the data.
        """
        goes_on = complete and any(learner.has_epochs_left for learner in learners)
        beside = goes_on and sum(learner.bytes for learner in learners) <= MOST_BYTES and self._is_beside()
        for learner in learners:
            try:
                self._ended.append((learner, learner.end_epoch(complete=complete, copied=beside)))
            except DivergenceError as error:
                yield learner.failed(error)
        measure = _Measure([snapshot for _, snapshot in self._ended], self._split, self._left.is_set)
        if beside:
            future = self._thread.submit(measure)
            self._measured, self._is_done = future.result, future.done
        else:
            halved = not goes_on and bool(self._ended) and self._is_beside()
            self._measured = partial(measure.in_two, self._thread) if halved else measure
            yield from self.records()

    def is_done(self) -> bool:
        """Whether there are `records`, and they need not be waited for."""
        return bool(self._ended) and self._is_done()

    def records(self) -> Iterator[TrainingRecord]:
        """Yield what the epoch brought that was evaluated last, unless that was told; waits until it is known."""
        ended, self._ended = self._ended, []
        if ended:
            for (learner, snapshot), measured in zip(ended, self._measured(), strict=True):
                yield from learner.record(snapshot, *measured)


class _Measure:
    """What is to be measured of an epoch; each part of the data has its own copies of the weights."""

    def __init__(self, snapshots: Sequence[Snapshot], split: Split, is_left: Callable[[], bool]) -> None:
        self._snapshots, self._split, self._is_left = snapshots, split, is_left

    def __call__(self) -> Measured:
        """Measure on one part after the other."""
        return list(zip(self._on_training(), self._on_validation(), strict=True))

    def in_two(self, thread: ThreadPoolExecutor) -> Measured:
        """Measure on both parts at once: nothing is trained meanwhile."""
        correct = thread.submit(self._on_training)
        measured = self._on_validation()
        return list(zip(correct.result(), measured, strict=True))

    def _on_training(self) -> list[float]:
        split = self._split
        if not any(snapshot.half for snapshot in self._snapshots):
            return accuracies(self._networks(), split.x_train, split.y_train, is_left=self._is_left)
        # Only here: by the validation part networks are judged, as they will serve, in float32.
        halves = self._networks(half=True)
        return accuracies(halves, split.x_train, split.y_train, torch.bfloat16, is_left=self._is_left)

    def _on_validation(self) -> list[Validation]:
        metrics = [snapshot.metric for snapshot in self._snapshots]
        return validations(self._networks(), self._split.x_val, self._split.y_val, metrics, is_left=self._is_left)

    def _networks(self, *, half: bool = False) -> list[Forward]:
        return [Forward(snapshot.network, snapshot.weights, half=half) for snapshot in self._snapshots]


def prepare_thread() -> None:
    """Have this thread compute as the one that trains."""
    torch.set_flush_denormal(True)
    # Asked for the first time, a thread takes over how many threads torch was told to compute with.
    torch.get_num_threads()
