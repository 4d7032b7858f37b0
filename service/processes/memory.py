"""Memory that is free goes back to the system: glibc keeps it, a hundred megabytes after a burst of large requests."""

import asyncio
import ctypes
from weakref import WeakKeyDictionary

_SECONDS = 1.0
"""After which it is given back: of what ends within them, all at once."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # https://man7.org/linux/man-pages/man3/malloc_trim.3.html
_due: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.TimerHandle] = WeakKeyDictionary()


def give_back_soon() -> None:
    """Give back what is free in a moment; called when something large has ended, in an event loop."""
    loop = asyncio.get_running_loop()
    if _trim is not None and loop not in _due:
        _due[loop] = loop.call_later(_SECONDS, _give_back, loop)


def _give_back(loop: asyncio.AbstractEventLoop) -> None:
    del _due[loop]
    assert _trim is not None, "it is asked for only where there is one"
    loop.run_in_executor(None, _trim, 0)
