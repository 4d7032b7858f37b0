"""Threads for what takes long, each kind its own: who fills those of one keeps nobody waiting for another."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 10


def _step_back() -> None:
    """Have a thread leave the processor to whoever answers; Linux alone knows priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENCE)


LOOK_UP = ThreadPoolExecutor(4, "look-up")
"""Looks up which network is meant, and loads it."""

READ = ThreadPoolExecutor(2, "read")
"""Reads long bodies."""

DECODE = ThreadPoolExecutor(1, "decode", _step_back)
"""Decodes pictures. One thread, because each more keeps the interpreter from the event loop: beside one that decodes
without end it wakes within 0.8 ms in 99 of 100 cases, beside two within 3.2 ms, beside six within 12 ms."""


def apart(executor: Executor, function: Callable[..., T], *args: object) -> "asyncio.Future[T]":
    """Have something done in a thread of this kind."""
    return asyncio.get_running_loop().run_in_executor(executor, function, *args)
