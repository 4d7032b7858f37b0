"""What the training processes of one worker share: how many of them train at a time, and what one has measured for all.

A worker has one process more than it has slots. It stands by with torch loaded, and trains in the place of one that
dies or is replaced, whose successor needs seconds to load it.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Slots:
    """Slots of a worker: one byte each of a file, locked by who trains. The system unlocks those of a dead process.

    Closing any descriptor of a file gives up all that a process has locked there: who holds a slot must not `agree`.
    """

    file: Path
    count: int

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot meanwhile; waits until one is free."""
        descriptor = _opened(self.file)
        try:
            while not any(_lock(descriptor, byte) for byte in range(1, self.count + 1)):
                time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def agree(self, measure: Callable[[], int]) -> int:
        """Give what the first process that asked has measured; whoever asks meanwhile waits for it."""
        descriptor = _opened(self.file)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, 0)
            if not (known := os.read(descriptor, 20)):
                known = str(measure()).encode()
                os.write(descriptor, known)
            return int(known)
        finally:
            os.close(descriptor)


def _opened(file: Path) -> int:
    # Made anew if somebody has tidied up the temporary folder: until who holds a slot is done, one more may train.
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, byte: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):
        return False
    return True
