"""`python -m service.processes.tether PARENT_PID COMMAND...` becomes COMMAND, which dies when its parent dies.

It leaves no core behind when it crashes: that would hold what others have sent, and as much as all its memory.

The tie is Linux only, by prctl(2); elsewhere COMMAND outlives a parent that was killed outright. The setting survives
exec but is not inherited by children: what COMMAND starts has to tie itself. "Parent" means the very thread that
spawned the process, so that thread must live as long as COMMAND should.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h

FOR_ALL = {signal.SIGINT, signal.SIGTERM}
"""Signals that a whole group may be sent; the server ends with its worker, not before."""


def tied(command: Sequence[str]) -> list[str]:
    """Give the command line of a program that is tied to whoever starts it."""
    # By its path and isolated: it starts in half the time, from whatever folder, and no variable can break it. The
    # isolation ends with the tether; nothing is inherited.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def tie(parent: int) -> None:
    """Have the kernel send this process SIGKILL when its parent, whose process id is `parent`, dies.

    Raises ProcessLookupError if the parent is gone already, OSError if the kernel refuses.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")
    # Only now: a parent that died before the call above sends nothing.
    if os.getppid() != parent:
        raise ProcessLookupError(f"the parent {parent} is gone")


if __name__ == "__main__":
    _, parent_pid, *command = sys.argv
    try:
        tie(int(parent_pid))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Python ignores SIGPIPE, and what is ignored stays ignored across exec.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - running the command it was given is its purpose
    except OSError as error:
        sys.exit(f"tether: cannot start {command[0]}: {error}")
