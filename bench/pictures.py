"""Claim: 10,000 small PNGs in a ZIP are read in at most 1.3 times what Pillow takes in a plain loop on the same cores.

Time: 10,000 PNGs of 28 x 28 in folders of their classes, from the ZIP to one array, beside the fastest plain way: a
`multiprocessing.Pool` of as many processes as there are cores, each with a handle of its own on the ZIP, and
`numpy.asarray(Image.open(...).convert("L"))`; in turns; and the same in one process, and the whole reading, which looks
at what the pictures show as well. Memory: 100,000 small JPEGs, in a fresh process; counted is what it and the processes
that it starts hold at their peak beside pages of files, sampled all the time (the proportional set size), from before
the file is opened, and all that they hold.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.figures import circumstances, met
from bench.intake import in_turns, some
from bench.memory import MIB
from models.data.reading.archives.zipped import open_zip
from models.data.reading.options import Options
from models.data.reading.pictures.write import write
from models.data.reading.read import read
from models.data.reading.told import Told

CLAIMED, MEMORY = 1.3, 300
FEW, MANY = 10_000, 100_000
_FRESH = (
    "import sys; from pathlib import Path; from models.data.reading.options import Options; "
    "from models.data.reading.read import read; "
    "read(Path(sys.argv[1]), Path(sys.argv[2]), Options(), progress=lambda *_: None)"
)


def archive(path: Path, count: int, form: str) -> None:
    """Write pictures of digits, in folders of their classes, into a ZIP."""
    table = some(FEW)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for place in range(count):
            row = table[place % len(table)]
            file = io.BytesIO()
            Image.fromarray(np.roll(row[1:].reshape(28, 28), place // len(table), axis=0)).save(file, form)
            target.writestr(f"{row[0] % 10}/{place:06}.{form.lower()}", file.getvalue())


_handle: zipfile.ZipFile | None = None


def open_handle(path: Path) -> None:
    global _handle
    _handle = zipfile.ZipFile(path)


def one(name: str) -> NDArray[np.uint8]:
    assert _handle is not None, "it was opened when the process began"
    return np.asarray(Image.open(io.BytesIO(_handle.read(name))).convert("L"))


def by_pool(path: Path, cores: int) -> NDArray[np.uint8]:
    """Give all pictures as one array, the plain way."""
    with get_context("fork").Pool(cores, open_handle, (path,)) as pool, zipfile.ZipFile(path) as source:
        return np.stack(pool.map(one, source.namelist()))


def by_loop(path: Path) -> NDArray[np.uint8]:
    open_handle(path)
    with zipfile.ZipFile(path) as source:
        return np.stack([one(name) for name in source.namelist()])


def ours(path: Path, folder: Path) -> NDArray[np.uint8]:
    """Give all pictures as one array, mapped, and look no further."""
    told = Told()
    with open_zip(path, told) as source:

        def pictures() -> Iterator[tuple[str, bytes]]:
            return ((member.name, data) for member, data in source.contents())

        write(pictures, len(source.members), folder, Options(), told, lambda *_: None)
    values: NDArray[np.uint8] = np.load(folder / "values.npy", mmap_mode="r")
    return values


def whole(path: Path, folder: Path) -> None:
    read(path, folder, Options(), progress=lambda *_: None)


def held(root: int) -> tuple[int, int]:
    """Give the bytes that a process and its children hold: those of no file, and all, shared ones by shares."""
    anonymous = proportional = 0
    for number in [root, *_children(root)]:
        with suppress(OSError):
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
            sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
            anonymous += sizes["Pss_Anon"]
            proportional += sizes["Pss"]
    return anonymous, proportional


def _children(root: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{root}/task/{root}/children").read_text().split()]
    return []


def peak(path: Path, folder: Path) -> tuple[int, int, float]:
    """Read a file in a fresh process; gives the most bytes that it held with its children, and the seconds."""
    started = time.perf_counter()
    reader = subprocess.Popen([sys.executable, "-c", _FRESH, path, folder])
    most = [0, 0]
    while reader.poll() is None:
        most = [max(pair) for pair in zip(most, held(reader.pid), strict=True)]
        time.sleep(0.02)
    assert reader.returncode == 0
    return most[0], most[1], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, help="how often each way is taken (7)")
    parser.add_argument("--many", type=int, default=MANY, help="JPEGs that are read for their memory (100,000)")
    asked = parser.parse_args()

    cores = len(os.sched_getaffinity(0))
    print(circumstances(threads=cores) + f"; Pillow {version('pillow')}, NumPy {version('numpy')}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = folder / "few.zip", folder / "many.zip"
        archive(few, FEW, "PNG")
        assert (ours(few, folder) == by_pool(few, cores)).all()
        print(f"{FEW:,} PNGs of 28 x 28, {few.stat().st_size / MIB:.1f} MiB; n = {asked.times} each, in turns\n")
        ways: dict[str, Callable[[], object]] = {
            f"Pillow, {cores} processes": lambda: by_pool(few, cores),
            "Pillow, one process": lambda: by_loop(few),
            "to an array": lambda: ours(few, folder),
            "the whole reading": lambda: whole(few, folder),
        }
        taken = in_turns(ways, asked.times)
        print(f"{'':<28}{'median':>10}{'least':>10}{'most':>10}{'pictures/s':>14}")
        for way, each in taken.items():
            middle = statistics.median(each)
            print(f"{way:<28}{middle:>8.2f} s{min(each):>8.2f} s{max(each):>8.2f} s{FEW / middle:>14,.0f}")
        archive(many, asked.many, "JPEG")
        anonymous, proportional, seconds = peak(many, folder)
        print(
            f"\n{asked.many:,} JPEGs of 28 x 28, {many.stat().st_size / MIB:.0f} MiB: read in {seconds:.1f} s; all "
            f"processes held {anonymous / MIB:.0f} MiB beside pages of files, {proportional / MIB:.0f} with them"
        )
    peer, _, own, _ = (statistics.median(each) for each in taken.values())
    ratios = [mine / its for its, mine in zip(taken[f"Pillow, {cores} processes"], taken["to an array"], strict=True)]
    print(
        f"\nclaim {met(own <= CLAIMED * peer)}: at most {CLAIMED:g} times Pillow on the same cores: {own / peer:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f} by turns)"
    )
    print(f"claim {met(anonymous <= MEMORY * MIB)}: at most {MEMORY} MiB beside pages of files: {anonymous / MIB:.0f}")


if __name__ == "__main__":
    main()
