"""The processes that decode pictures, as whoever reads sees them: fed in turn, heard in order, replaced when they die.

One thread serves them all, and never waits for one while another could go on. What they die of is found by decoding the
pictures of that batch one by one.
"""

import os
import selectors
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from models.data.reading.pictures.outcome import MOST_BYTES, Answer, Broken, Form
from models.data.reading.pictures.tube import START, Tube

BATCH_BYTES = 4 * 2**20
BATCH = 64  # pictures
_WAITING = 2  # batches that one process has been given
_TRIES = 3  # to start one
_WORTH = 2**18  # bytes of pictures for each process but the first: to decode them takes as long as to start it


@dataclass
class Batch:
    """Some pictures: how they are called, what came of each, and the pixels of all, uint8, one after the other."""

    names: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    answers: list[Answer | Broken | None] = field(default_factory=list)
    pixels: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def is_done(self) -> bool:
        """Whether something has come of each picture."""
        return None not in self.answers


class _Task(NamedTuple):
    batch: Batch
    start: int
    stop: int
    is_suspect: bool = False  # a process that had nothing else to do died of it


class Decoders:
    """So many processes, within a `with` block, which ends them."""

    def __init__(self, processes: int, start: str = START) -> None:
        self._count, self._start = processes, start
        self._tubes = dict[Tube, deque[_Task]]()
        self._again = deque[_Task]()
        self._failed = self._given = 0

    def __enter__(self) -> "Decoders":
        self._selector = selectors.DefaultSelector()
        self._lock = tempfile.TemporaryFile()
        return self

    def __exit__(self, *_: object) -> None:
        for tube in self._tubes:
            tube.kill()
        self._tubes.clear()
        self._selector.close()
        self._lock.close()

    @property
    def numbers(self) -> list[int]:
        """Give the ids of the processes."""
        return [tube.number for tube in self._tubes]

    def run(
        self, pictures: Iterator[tuple[str, bytes]], form: Form, *, only_look: bool = False, most: int = BATCH
    ) -> Iterator[Batch]:
        """Give the pictures as they are decoded, in their order, in batches of at most `most`.

        Raises OSError where no process can be started.
        """
        about = {"size": form.size, "channels": form.channels, "fit": form.fit, "look": only_look}
        waiting = deque[Batch]()
        for batch in _batches(pictures, most):
            while not (self._give(_Task(batch, 0, len(batch.files)), about)):
                self._serve(about, wait=True)
            waiting.append(batch)
            self._serve(about, wait=len(waiting) > 2 * _WAITING * self._count)
            while waiting and waiting[0].is_done:
                yield waiting.popleft()
        while waiting:
            while not waiting[0].is_done:
                self._serve(about, wait=True)
            yield waiting.popleft()

    def _give(self, task: _Task, about: dict[str, Any]) -> bool:
        """Whether a process could take some pictures."""
        if len(self._tubes) < min(self._count, 1 + self._given // _WORTH) and all(self._tubes.values()):
            tube = Tube(self._lock.fileno(), self._start)
            self._tubes[tube] = deque()
            self._selector.register(tube.ear, selectors.EVENT_READ, tube)
        tube = min(self._tubes, key=lambda each: len(self._tubes[each]))
        if len(self._tubes[tube]) >= _WAITING:
            return False
        self._tubes[tube].append(task)
        self._given += sum(len(file) for file in task.batch.files[task.start : task.stop])
        files = task.batch.files[task.start : task.stop]
        tube.send({**about, "lengths": [len(file) for file in files]}, files)
        self._listen_for_room(tube)
        return True

    def _serve(self, about: dict[str, Any], *, wait: bool) -> None:
        """Give and take what can be; `wait`: until something could."""
        while self._again and self._give(self._again[0], about):
            self._again.popleft()
        for key, _ in self._selector.select(None if wait else 0):
            tube: Tube = key.data
            if tube not in self._tubes:
                continue  # it died a moment ago
            if key.fd == tube.mouth:
                tube.write()
                self._listen_for_room(tube)
                continue
            for answers, pixels in tube.read():
                _fill(self._tubes[tube].popleft(), answers, pixels)
                self._failed = 0
            if tube.is_over:
                self._bury(tube)

    def _listen_for_room(self, tube: Tube) -> None:
        registered = tube.mouth in self._selector.get_map()
        if tube.has_more and not registered:
            self._selector.register(tube.mouth, selectors.EVENT_WRITE, tube)
        elif not tube.has_more and registered:
            self._selector.unregister(tube.mouth)

    def _bury(self, tube: Tube) -> None:
        tasks = self._tubes.pop(tube)
        for end in (tube.ear, tube.mouth):
            if end in self._selector.get_map():
                self._selector.unregister(end)
        ending = tube.end()
        if not tube.has_begun:
            self._failed += 1
            if self._failed == _TRIES:
                raise OSError(f"a process that decodes pictures {ending} at its start")
            self._again.extend(tasks)
            return
        if not tasks:
            return
        guilty = tasks.popleft()
        is_alone = guilty.stop - guilty.start == 1
        # What takes its own time takes it again.
        if guilty.is_suspect or (is_alone and tube.ran_out):
            _fill(guilty, [[f"the process that decoded it {ending}", "save the picture again, or leave it out"]], b"")
        else:
            # Once more even where it was alone: a process may also be killed for what others do.
            places = range(guilty.start, guilty.stop)
            self._again.extend(_Task(guilty.batch, place, place + 1, is_suspect=is_alone) for place in places)
        self._again.extend(tasks)


def processes(count: int) -> int:
    """Tell how many processes decode so many pictures."""
    if count < _FEW:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST)


_FEW, _MOST = 200, 8


def _batches(pictures: Iterator[tuple[str, bytes]], most: int) -> Iterator[Batch]:
    batch = Batch()
    for name, data in pictures:
        # One byte too many tells that it is too large.
        file = data[: MOST_BYTES + 1] if len(data) > MOST_BYTES else data
        if batch.files and (len(batch.files) >= most or batch.size + len(file) > BATCH_BYTES):
            yield batch
            batch = Batch()
        batch.names.append(name)
        batch.files.append(file)
        batch.answers.append(None)
        batch.pixels.append(b"")
        batch.size += len(file)
    if batch.files:
        yield batch


def _fill(task: _Task, answers: list[list[Any]], pixels: bytes) -> None:
    batch = task.batch
    for place, answer in enumerate(answers, task.start):
        batch.answers[place] = Broken(*answer) if len(answer) == 2 else Answer(*answer)
        batch.files[place] = b""
    batch.pixels[task.start] = pixels
