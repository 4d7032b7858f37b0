"""What every figure is printed with: the machine, the versions, and the spread around a median."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median


def circumstances(*, threads: int) -> str:
    """Give the lines about date, machine, load and versions that stand above a result."""
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "tenfold"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average before the start {os.getloadavg()[0]:.2f}\n"
        f"{_processor()}, {os.cpu_count()} cores, {ram:.1f} GiB RAM, {platform.system()} {platform.release()}\n"
        f"Python {platform.python_version()}, {packages}; {threads} thread(s)"
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Give "median (least to greatest)"."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
