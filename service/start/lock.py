"""A folder of state belongs to one program at a time; that it can be written is tried before anything starts."""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from service.processes.supervisor import StartError

LOCK = "lock"
TRIAL_BYTES = 2**20
"""With less room than this nothing can be recorded, and not even a log be kept."""

_PARTS = ("logs", "broker", "artifacts")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BY = "--home or TENFOLD_HOME"
_IN_THE_WAY = {errno.EEXIST: "folder", errno.ENOTDIR: "folder", errno.EISDIR: "file"}


def try_out(home: Path, by: str = BY) -> None:
    """Make a folder of state if it is missing, and write into it and its parts what is gone at once.

    Raises StartError. Permissions are not asked but tried: whoever is root has all, and yet no disk that is read-only.
    """
    folder = home
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_into(folder, TRIAL_BYTES)
        for folder in (home / part for part in _PARTS):
            if os.path.lexists(folder):
                folder.mkdir(exist_ok=True)
                _write_into(folder, 1)
    except OSError as error:
        raise StartError(f"{shown(folder)} cannot be written: {error.strerror}; {_remedy(error, by)}") from None


@contextmanager
def held(home: Path, by: str = BY) -> Iterator[None]:
    """Have a folder of state to ourselves meanwhile; it is made if it is missing, and tried out.

    The lock goes with this process, however it ends: what is started meanwhile does not inherit it. Raises StartError.
    """
    _make(home, by)
    with _opened(home, by) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(_in_use(home, lock, by)) from None
        except OSError as error:
            why = f"{shown(home)} cannot be locked: {error.strerror}"
            raise StartError(f"{why}; choose a folder on a disk of this machine with {by}") from None
        try_out(home, by)
        lock.truncate(0)
        lock.write(f"{os.getpid()} {socket.gethostname()}\n")
        lock.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                lock.truncate(0)


def assert_free(home: Path) -> None:
    """Raise StartError if another program has the folder now; nothing is made for that."""
    with suppress(OSError), (home / LOCK).open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(_in_use(home, lock, BY)) from None


def shown(path: Path) -> str:
    """Give a path as it can stand in one line of any terminal."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _make(home: Path, by: str) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{shown(home)} cannot be written: {error.strerror}; {_remedy(error, by)}") from None


def _opened(home: Path, by: str) -> IO[str]:
    try:
        return (home / LOCK).open("a+")
    except OSError as error:
        raise StartError(f"{shown(home / LOCK)} cannot be written: {error.strerror}; {_remedy(error, by)}") from None


def _write_into(folder: Path, count: int) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(count))
        file.flush()
        os.fsync(file.fileno())


def _remedy(error: OSError, by: str) -> str:
    other = f"choose another folder with {by}"
    if error.errno in _FULL:
        return f"make room there, or {other}"
    if error.errno in _IN_THE_WAY:
        return f"what lies there is no {_IN_THE_WAY[error.errno]}: move it away, or {other}"
    return other


def _in_use(home: Path, lock: IO[str], by: str) -> str:
    """Say who has a folder, as far as it has written that down: it may have begun just now, or one before have died."""
    lock.seek(0)
    number, _, host = lock.read(300).strip().partition(" ")
    who = "another program"
    if number.isdecimal() and host != socket.gethostname():
        who = f"process {number} on the host {host}"
    elif number.isdecimal():
        with suppress(ProcessLookupError, OverflowError):
            with suppress(PermissionError):
                os.kill(int(number), 0)
            who = f"process {number}"
    return f"{shown(home)} is in use by {who}; stop that first, or choose another folder with {by}"
