"""Claim: a CSV of pictures becomes arrays in at most 1.5 times what pandas takes for it, and 300 MiB beside the arrays.

Time: 60,000 rows of a label and 784 pixels (MNIST's, where they are; else made), from the file to the arrays, beside
`pandas.read_csv(engine="pyarrow")` of the same file, in turns; and the whole reading, which looks for duplicates, scale
and the way that ink lies as well. Memory: 700,000 rows in a temporary file, read in a fresh process; counted is what
became resident at its peak, from before the file is opened.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.figures import circumstances, met
from bench.memory import MIB, resident
from models.data.reading import dialect, pixels, roles, text
from models.data.reading.delimited import Rows
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.reading.told import Told
from service.settings import Settings

CLAIMED = 1.5
MEMORY = 300
ROWS, MANY, AT_ONCE = 60_000, 700_000, 10_000
COLUMNS = 785


def some(count: int) -> NDArray[np.uint8]:
    """Give so many rows, uint8 [count, 785]: of MNIST where it is, else light strokes on a dark ground."""
    raw = Settings().data / "MNIST" / "raw"
    if (raw / "train-images-idx3-ubyte").exists():
        pixels = np.fromfile(raw / "train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, COLUMNS - 1)
        labels = np.fromfile(raw / "train-labels-idx1-ubyte", np.uint8)[8:]
        table = np.column_stack([labels, pixels])
    else:
        random = np.random.default_rng(0)
        table = random.integers(0, 256, (count, COLUMNS), np.uint8)
        table[random.random(table.shape) < 0.8] = 0
        table[:, 0] = random.integers(0, 10, count)
    return table[np.arange(count) % len(table)]


def write(path: Path, table: NDArray[np.uint8], times: int = 1) -> None:
    """Write rows as CSV with a header, over and over."""
    body = pd.DataFrame(table).to_csv(header=False, index=False).encode()
    with path.open("wb") as file:
        file.write(",".join(["label", *(f"pixel{place}" for place in range(COLUMNS - 1))]).encode() + b"\n")
        for _ in range(times):
            file.write(body)


def to_arrays(path: Path, folder: Path) -> None:
    """Read a file of pictures into its arrays, and look no further."""
    options, told = Options(), Told()
    found, head = text.find(path, compressed=False, encoding=None)
    rows = Rows(found, dialect.find(head, options, told), lambda *_: None, told)
    its_roles = roles.find(rows, options, told)
    assert its_roles.pixels is not None
    labels, _ = pixels.write(rows, its_roles, its_roles.pixels, folder, transpose=False)
    labels.finish(options, told)


def whole(path: Path, folder: Path) -> None:
    read(path, folder, Options(), progress=lambda *_: None)


def peak(path: Path, folder: Path) -> tuple[int, float]:
    """Read a file, and give the bytes that became resident at its peak, and the seconds that it took."""
    # What is only loaded once, and by whoever reads anything.
    small = folder / "small.csv"
    write(small, some(200))
    whole(small, folder)
    before = resident()
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    whole(path, folder)
    return resident("VmHWM") - before, time.perf_counter() - started


def in_turns(ways: dict[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Give the seconds of each way, one after the other so many times."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - started)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, help="how often each way is taken (7)")
    parser.add_argument("--rows", type=int, default=MANY, help="rows of the file that is read for its memory (700,000)")
    asked = parser.parse_args()

    print(circumstances(threads=os.cpu_count() or 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "some.csv", some(ROWS))
        size = (folder / "some.csv").stat().st_size
        print(f"{ROWS:,} rows of {COLUMNS} columns, {size / MIB:.0f} MiB; n = {asked.times} each, in turns\n")
        ways: dict[str, Callable[[], object]] = {
            "pandas.read_csv(engine='pyarrow')": lambda: pd.read_csv(folder / "some.csv", engine="pyarrow"),
            "to arrays": lambda: to_arrays(folder / "some.csv", folder),
            "the whole reading": lambda: whole(folder / "some.csv", folder),
        }
        taken = in_turns(ways, asked.times)
        print(f"{'':<36}{'median':>10}{'least':>10}{'most':>10}{'MiB/s':>10}")
        for way, each in taken.items():
            middle = statistics.median(each)
            print(f"{way:<36}{middle:>8.2f} s{min(each):>8.2f} s{max(each):>8.2f} s{size / MIB / middle:>10.0f}")
        peer, ours, _ = (statistics.median(each) for each in taken.values())
        write(folder / "many.csv", some(AT_ONCE), max(1, asked.rows // AT_ONCE))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            grown, seconds = fresh.submit(peak, folder / "many.csv", folder).result()
        print(
            f"\n{asked.rows:,} rows, {(folder / 'many.csv').stat().st_size / MIB:,.0f} MiB: read in {seconds:.1f} s, "
            f"{grown / MIB:.0f} MiB more at the peak"
        )
    print(f"\nclaim {met(ours <= CLAIMED * peer)}: at most {CLAIMED:g} times pandas: {ours / peer:.2f}")
    arrays = asked.rows * (COLUMNS - 1) / MIB + asked.rows * 8 / MIB
    print(
        f"claim {met(grown <= (MEMORY + arrays) * MIB)}: at most {MEMORY} MiB beside the arrays, {arrays:.0f} MiB: "
        f"{grown / MIB:.0f} MiB in all"
    )


if __name__ == "__main__":
    main()
