"""How many processor cores this process may use, which in a container is seldom all that the machine has."""

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available(quota: Path = _QUOTA) -> int:
    """Count the cores that this process may run on, or as many as its control group's quota is worth, if fewer.

    The quota of cgroup v2: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        microseconds, period = quota.read_text().split()
        worth = int(microseconds) // int(period)
    except (OSError, ValueError):  # no cgroup v2 here, or "max": no quota
        return allowed
    return max(1, min(allowed, worth))
