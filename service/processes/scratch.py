"""Folders into which files are read: on the disk of all that is kept, locked while they are used, removed after."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.settings import Settings

_YOUNG_SECONDS = 60.0


@contextmanager
def folder(settings: Settings) -> Iterator[Path]:
    """Give a folder for one reading; what readings before left behind goes. Raises OSError."""
    place = settings.home / "readings"
    place.mkdir(parents=True, exist_ok=True)
    for left in place.iterdir():
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # there are file systems without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            os.close(descriptor)


def _is_abandoned(left: Path) -> bool:
    """Whether nobody reads into a folder any more."""
    try:
        if time.time() - left.stat().st_mtime < _YOUNG_SECONDS:  # it may be about to be locked
            return False
        descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
