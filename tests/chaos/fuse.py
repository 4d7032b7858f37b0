"""Ends this process, as SIGKILL does, just before one of its operations: a statement, a commit, a change of a file."""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

_ID = re.compile("[0-9a-f]{8,}")
_CHANGES = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "shutil.rmtree": 0}
"""Events of the interpreter that change files, and which of their arguments is the path."""


def arm(at: int, folder: Path, *, told: Callable[[str], object]) -> None:
    """End this process before its operation number `at`, counted from now from 1; `told` hears of each before it.

    Counted are statements and transactions' ends in any database, and changes below `folder`. What the thread that
    renews leases does is not counted: it comes at its own times.
    """
    count = 0
    # What a thread beside does is counted too: it must have been told before another one's operation ends all.
    counting = threading.RLock()

    def operation(name: str) -> None:
        nonlocal count
        if threading.current_thread().name == "lease":
            return
        with counting:
            count += 1
            told(name)
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    def statement(_connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        operation(" ".join(text.split()[:3]))

    def audited(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, mode, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR)) or (isinstance(mode, str) and mode.strip("rbt") != "")
        elif name in _CHANGES:
            path, changes = arguments[_CHANGES[name]], True
        else:
            return
        if changes and isinstance(path, str | Path) and Path(path).is_relative_to(folder):
            operation(f"{name} {_ID.sub('ID', Path(path).name.split('-')[0])}")

    def synchronised(descriptor: Any, fsync: Callable[[Any], None] = os.fsync) -> None:
        operation("fsync")
        fsync(descriptor)

    def written(descriptor: Any, data: Any, place: int, pwrite: Callable[..., int] = os.pwrite) -> int:
        operation("pwrite")
        return pwrite(descriptor, data, place)

    def cut_off(descriptor: Any, size: int, ftruncate: Callable[..., None] = os.ftruncate) -> None:
        operation("ftruncate")
        ftruncate(descriptor, size)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda _: operation("COMMIT"))
    event.listen(Engine, "rollback", lambda _: operation("ROLLBACK"))
    os.fsync = synchronised  # type: ignore[assignment]
    os.pwrite, os.ftruncate = written, cut_off
    # Cannot be taken back: whoever arms this fuse is a process of its own.
    sys.addaudithook(audited)
