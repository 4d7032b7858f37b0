"""What every figure is printed with: the machine, the versions, and the spread around a median."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from math import inf
from pathlib import Path
from statistics import median

from bench.kernels import instruction_sets


def circumstances(*, threads: int, rivals: Sequence[str] = ()) -> str:
    """Give the lines about date, machine, load and versions that stand above a result; `rivals` are packages."""
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "tenfold", *rivals))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average before the start {os.getloadavg()[0]:.2f}\n"
        f"{_processor()}, {os.cpu_count()} cores, {ram:.1f} GiB RAM, {platform.system()} {platform.release()}\n"
        f"instruction sets: {instruction_sets()}\n"
        f"Python {platform.python_version()}, {packages}; {threads} thread(s)"
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Give "median (least to greatest)"."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def met(holds: bool) -> str:
    """Say of a claim "met" or "NOT met"."""
    return "met" if holds else "NOT met"


def verdict(claim: str, values: Sequence[float], *, at_least: float = -inf, at_most: float = inf) -> str:
    """Say whether a claim is met by the median of a figure, and in how many rounds."""
    middle, rounds = median(values), sum(at_least <= value <= at_most for value in values)
    return f"claim {met(at_least <= middle <= at_most)}: {claim}, by the median; in {rounds} of {len(values)} rounds"


def claim(
    what: str, values: Sequence[float], *, at_least: float | None = None, at_most: float | None = None, stretch: float
) -> str:
    """Say of a figure's median whether it is what is claimed, and whether it is what was hoped for, with its spread."""
    upwards = at_most is None
    goal = at_least if at_most is None else at_most
    assert goal is not None, "there is no claim without a bound"
    bound = {"at_least" if upwards else "at_most": goal}
    sign, middle = ("at least" if upwards else "at most"), median(values)
    hoped = "reached" if (middle >= stretch if upwards else middle <= stretch) else "not reached"
    hope = "" if stretch == goal else f"; the {stretch:g} hoped for are {hoped}"
    return f"{verdict(f'{what}: {spread(values)}, {sign} {goal:g}', values, **bound)}; n = {len(values)}{hope}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
