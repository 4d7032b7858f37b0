"""How many processor cores this process may use, which in a container is seldom all that the machine has."""

import os
import time
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_USED = Path("/sys/fs/cgroup/cpu.stat")
_TIMES = Path("/proc/stat")


def available(quota: Path = _QUOTA) -> int:
    """Count the cores that this process may run on, or as many as its control group's quota is worth, if fewer.

    The quota of cgroup v2: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    allowed = len(_allowed()) or os.cpu_count() or 1
    return allowed if (worth := _worth(quota)) is None else max(1, min(allowed, int(worth)))


def unused(quota: Path = _QUOTA, used: Path = _USED, times: Path = _TIMES) -> float | None:
    """Count the seconds that nobody used of the cores this process may run on, since some moment; None: unknown.

    Only what two calls differ by has a meaning. Under a quota it counts what its control group has left of it.
    """
    try:
        if (worth := _worth(quota)) is not None:
            told = dict(line.split() for line in used.read_text().splitlines())
            return worth * time.monotonic() - int(told["usage_usec"]) / 1e6
        cores = {f"cpu{number}" for number in _allowed()}
        # Of each: user, nice, system, idle, in ticks; https://docs.kernel.org/filesystems/proc.html
        lines = (line.split() for line in times.read_text().splitlines())
        idle = [int(fields[4]) for fields in lines if fields and fields[0] in cores]
    except (OSError, ValueError, KeyError, IndexError):
        return None
    return sum(idle) / os.sysconf("SC_CLK_TCK") if idle else None


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _worth(quota: Path) -> float | None:
    """Tell how many cores a control group's quota is worth; None: there is none, or no cgroup v2 here."""
    try:
        microseconds, period = quota.read_text().split()
        return int(microseconds) / int(period)
    except (OSError, ValueError):
        return None
