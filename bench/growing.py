"""Claim: to append one in a hundred to 60,000 pictures costs at most 5 % of what reading all of them takes.

60,000 pictures (MNIST's, where they are; else made) are read from PNGs in a ZIP, and as a CSV, and 600 others appended
to what came of it, in turns: the reading alone, in this process; a process that stood by with its libraries loaded,
as a worker of readings has one from its first reading on, from when it is asked to its end; and a fresh one, from its
start, with all that it loads. The processor's seconds are told as well as those that went by; the claim is of both.
So are two of the parts of an append that grow with the whole: the digest, and the look for equal examples.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.figures import circumstances, met, spread
from bench.intake import some, write
from models.data.reading.adding import alike
from models.data.reading.adding.base import Base
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.stored import VALUES
from service.processes.reader_process import CHILD, ReadingProcess

CLAIMED = 0.05
ROWS, ADDED = 60_000, 600


def processor() -> float:
    """Give the processor's seconds of this process and of those that it waited for."""
    return sum(
        its.ru_utime + its.ru_stime
        for its in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def timed(do: Callable[[], object]) -> tuple[float, float]:
    """Give the seconds that went by, and those of the processor."""
    wall, cpu = time.perf_counter(), processor()
    do()
    return time.perf_counter() - wall, processor() - cpu


def by_process(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read in a process of its own, as the service does; gives what it has found."""
    ear, mouth = os.pipe()
    with os.fdopen(ear, "rb") as told:
        process = subprocess.Popen([*CHILD, str(mouth)], stdin=subprocess.PIPE, pass_fds=[mouth])
        os.close(mouth)
        assert process.stdin is not None, "it was asked for"
        with process.stdin as stdin:
            stdin.write(json.dumps(request).encode())
        last = told.read().splitlines()[-1]
        process.wait()
    found: dict[str, Any] = json.loads(last)["found"]
    return found


def standing_by(request: Mapping[str, Any]) -> tuple[float, float]:
    """Read in a process that stood by; gives the seconds from the request to its end, and those of the processor."""
    before = processor()
    with ReadingProcess() as process:
        spent, ran = -1, Path(f"/proc/{process.number}/schedstat")
        while (now := int(ran.read_text().split()[0])) != spent or now < 10**8:
            spent = now
            time.sleep(0.5)
        wall = time.perf_counter()
        process.ask(request)
        while process.listen(60) is not None:
            pass
        assert process.ending() == "ended with 0"
        return time.perf_counter() - wall, processor() - before - spent / 1e9


def row(name: str, all_of_it: list[tuple[float, float]], added: list[tuple[float, float]]) -> tuple[float, float]:
    """Print how long reading all takes, and appending; gives the median share of the time, and of the processor's."""
    shares, of_processor = (
        median(append[which] / whole[which] for whole, append in zip(all_of_it, added, strict=True)) for which in (0, 1)
    )
    for what, each in (("all", all_of_it), ("appending", added)):
        walls, cpus = [wall for wall, _ in each], [cpu for _, cpu in each]
        print(f"{name + ', ' + what:<44}{spread(walls, 3):>28} s{median(cpus):>10.3f} s")
    print(f"{'':<44}{100 * shares:>26.1f} %{100 * of_processor:>12.1f} %")
    return shares, of_processor


def _silent(_bytes: int, _rows: int) -> None:
    pass


def pack(path: Path, table: NDArray[np.uint8]) -> None:
    """Write rows as PNGs in folders of their classes, in a ZIP."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, its in enumerate(table):
            file = io.BytesIO()
            Image.fromarray(its[1:].reshape(28, 28)).save(file, "PNG")
            archive.writestr(f"{its[0]}/{number:05}.png", file.getvalue())


def compare(name: str, whole: Path, more: Path, times: int) -> list[tuple[float, float]]:
    """Read a file and append another in turns, and print it; gives the shares, alone, ready and from the start."""

    def fresh() -> Path:
        return Path(tempfile.mkdtemp(dir=whole.parent))

    def request(file: Path, base: Mapping[str, Any] | None) -> dict[str, Any]:
        about = {"options": {}, "name": None, "memory": 2**33, "base": base}
        return {**about, "file": str(file), "folder": str(fresh())}

    first = request(whole, None)
    found = by_process(first)
    document = {
        "name": "letters/1",
        "files": {its: f"{first['folder']}/{its}" for its in found["files"]},
        "schema": found["schema"],
        "reading": found["reading"],
        "levels": found["description"]["levels"],
    }
    ways: dict[str, list[tuple[float, float]]] = {
        its: [] for its in ("all", "more", "all ready", "more ready", "all of it", "more of it")
    }
    for _ in range(times):
        ways["all"].append(timed(partial(read, whole, fresh(), Options(), progress=_silent)))
        base = Base.of(document)
        ways["more"].append(timed(partial(read, more, fresh(), Options(), base=base, progress=_silent)))
        ways["all ready"].append(standing_by(request(whole, None)))
        ways["more ready"].append(standing_by(request(more, document)))
        ways["all of it"].append(timed(partial(by_process, request(whole, None))))
        ways["more of it"].append(timed(partial(by_process, request(more, document))))
    print(f"\n{'':<44}{'seconds: median (least to most)':>30}{'processor':>12}")
    shares = [
        row(f"{name}, the reading alone", ways["all"], ways["more"]),
        row(f"{name}, a process ready", ways["all ready"], ways["more ready"]),
        row(f"{name}, from its start", ways["all of it"], ways["more of it"]),
    ]
    values = np.load(Path(first["folder"]) / VALUES, mmap_mode="r")
    base = Base.of(document)
    marks, labels = base.marks, base.examples.labels
    parts: dict[str, Callable[[], object]] = {
        "SHA-256 over all pixels": lambda: hashlib.sha256(values.data).digest(),
        "equal examples": lambda: alike.known(marks[:ADDED], labels[:ADDED], marks, labels),
    }
    for what, part in parts.items():
        print(f"{what:<44}{spread([timed(part)[0] for _ in range(times)], 3):>28} s")
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often each way is taken (5)")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    print(f"{ROWS:,} pictures of 28 x 28, and {ADDED} more; n = {asked.times} each, in turns")
    table = some(ROWS + ADDED)
    # Others than those before: MNIST's begin anew behind its last one.
    table[ROWS:, 1:] = table[ROWS:, :0:-1]
    shares = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form, to, ending in (("PNGs in a ZIP", pack, "zip"), ("a CSV", write, "csv")):
            to(folder / f"all.{ending}", table[:ROWS])
            to(folder / f"more.{ending}", table[ROWS:])
            shares[form] = compare(form, folder / f"all.{ending}", folder / f"more.{ending}", asked.times)
    print()
    for form, (alone, ready, fresh) in shares.items():
        what = f"at most {CLAIMED:.0%} of what reading all of them takes, {form}, by a process that stood by"
        told = [f"{wall:.1%} of the time and {cpu:.1%} of the processor's" for wall, cpu in (ready, fresh, alone)]
        print(
            f"claim {met(max(ready) <= CLAIMED)}: {what}: {told[0]}; by one from its start {told[1]}; alone {told[2]}"
        )


if __name__ == "__main__":
    main()
