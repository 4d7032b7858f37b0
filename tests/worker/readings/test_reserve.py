"""A process stands by for the next reading: it reads one file alone, is replaced when it dies, and outlives nobody."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_until
from worker.readings.reserve import Reserve

_SAYS = "import json, os, sys; what = json.load(sys.stdin); os.write(int(sys.argv[1]), b'%d\\n' % what['number'])"
SAYS = (sys.executable, "-I", "-S", "-c", _SAYS)


@pytest.fixture
def reserve() -> Iterator[Reserve]:
    with closing(Reserve(SAYS)) as its:
        yield its


def asked(reserve: Reserve, number: int) -> int:
    """Have a number said; gives the id of the process that said it."""
    with reserve.process({"number": number}) as process:
        heard = list[Any]()
        while (some := process.listen(10)) is not None:
            heard += some
        assert heard == [number]
        return process.number


def is_there(number: int | None) -> bool:
    return Path(f"/proc/{number}").exists()


def is_dead(number: int | None) -> bool:
    """Whether it has ended, and nobody has asked how."""
    return Path(f"/proc/{number}/stat").read_bytes().rpartition(b") ")[2].startswith(b"Z")


def test_one_stands_by_once_there_was_a_reading_and_each_reads_once(reserve: Reserve) -> None:
    assert reserve.number is None, "who reads nothing pays nothing"
    first = asked(reserve, 1)
    assert not is_there(first)
    ready = reserve.number
    assert is_there(ready)
    assert asked(reserve, 2) == ready
    assert not is_there(ready)
    assert reserve.number not in {None, first, ready}


def test_one_that_is_killed_while_it_stands_by_is_replaced(reserve: Reserve) -> None:
    asked(reserve, 1)
    ready = reserve.number
    assert ready is not None
    os.kill(ready, signal.SIGKILL)
    wait_until(lambda: is_dead(ready), timeout=30, what="its end")
    assert asked(reserve, 2) != ready
    assert not is_there(ready)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when its standard input does")
def test_one_that_stands_by_dies_with_the_thread_of_the_worker() -> None:
    numbers = list[int | None]()
    its = Reserve(SAYS)

    def is_tied() -> bool:
        command = Path(f"/proc/{its.number}/cmdline").read_bytes()
        return bool(command) and b"tether" not in command

    def work() -> None:
        asked(its, 1)
        numbers.append(its.number)
        wait_until(is_tied, timeout=30, what="the tie")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    (number,) = numbers
    wait_until(lambda: is_dead(number), timeout=30, what="its end")
    its.close()
    assert not is_there(number)
