"""Claim: a step of our training loop takes at most 0.65 of the instructions of the same step by torch's own means.

Instructions, unlike seconds, hardly depend on what else the machine does. All sides run in one process under valgrind's
callgrind, which looks on from one batch to another: what a long look counts more than a short one belongs to the
steps that it saw more. Valgrind shows a processor with AVX2 of its own to the program, so that the kernels chosen, and
with them the counts, can differ from those without it.

Legend of shapes: N examples, B examples in a batch.
"""

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from bench.figures import circumstances, spread, verdict
from models.data.examples import Examples
from models.data.gathered import whole
from models.data.split import Split, divide
from models.networks import build
from models.spec import TrainingSpec
from models.training import train
from models.tuning import use_threads

CLAIMED = 0.65
WARM_UP, SHORT, LONG = 5, 5, 15
"""Steps before the first look, and those of a look."""

SPEC = TrainingSpec(hidden_sizes=(100, 50), batch_size=64, epochs=1)

BeforeStep = Callable[[], None]
"""To be called before every step; raises _Over when nothing is counted any more."""


class _Over(Exception):  # noqa: N818
    """All looks are done."""


def by_us(split: Split, before_step: BeforeStep) -> None:
    def should_stop(_network: int) -> None:
        before_step()

    for _ in train([SPEC], split, should_stop=should_stop):
        pass


def by_torch(split: Split, before_step: BeforeStep) -> None:
    network = build(SPEC, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), lr=SPEC.learning_rate)
    order_N = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))
    for rows_B in order_N.split(SPEC.batch_size):
        before_step()
        optimizer.zero_grad()
        loss = cross_entropy(network(whole(split.x_train)[rows_B]), split.y_train[rows_B])
        loss.backward()
        optimizer.step()


TORCH, OURS = "autograd, torch.optim.Adam", "models.training.train"
SIDES: Mapping[str, Callable[[Split, BeforeStep], None]] = {TORCH: by_torch, OURS: by_us}


def run_watched(rounds: int) -> None:
    """Run all sides, in a process that valgrind runs."""
    use_threads(1)
    examples = (WARM_UP + rounds * (SHORT + LONG) + 1) * SPEC.batch_size
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (examples * 10 // 9, 28, 28), dtype=np.uint8)
    invented = Examples(pixels, random.integers(0, 10, len(pixels)))
    split = divide(invented, validation_fraction=0.1, split_seed=0)
    for side in SIDES.values():
        gc.collect()
        gc.disable()
        with suppress(_Over):
            side(split, partial(next, looks(rounds)))
        gc.enable()


def looks(rounds: int) -> Iterator[None]:
    """Let valgrind look on for a short and a long time in each round; to be advanced before every step."""
    for _ in range(WARM_UP):
        yield
    for _ in range(rounds):
        for steps in (SHORT, LONG):
            tell_valgrind("instrumentation", "on")
            for _ in range(steps):
                yield
            tell_valgrind("instrumentation", "off")
            tell_valgrind("dump")
    raise _Over


def tell_valgrind(*words: str) -> None:
    telling = subprocess.Popen(
        ["vgdb", f"--pid={os.getpid()}", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    # It is heard between two instructions: a process that only waited would never hear it.
    while telling.poll() is None:
        time.sleep(0.01)


def count(rounds: int) -> dict[str, list[float]]:
    """Give for each side the instructions of a step, by round."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
        program = [sys.executable, "-m", "bench.instructions", "--watched", "--rounds", str(rounds)]
        done = subprocess.run(
            [*valgrind, *program],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"valgrind could not run the bench:\n{done.stderr}")
        totals = [total(Path(folder, f"out.{number + 1}")) for number in range(2 * rounds * len(SIDES))]
    differences = [(totals[place + 1] - totals[place]) / (LONG - SHORT) for place in range(0, len(totals), 2)]
    return {name: differences[place * rounds : (place + 1) * rounds] for place, name in enumerate(SIDES)}


def total(dump: Path) -> int:
    """Read the instructions of all functions from callgrind's dump."""
    line = next(line for line in dump.read_text().splitlines() if line.startswith("totals:"))
    return int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="short and long looks at each side (2)")
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.watched:
        run_watched(asked.rounds)
        return
    print(circumstances(threads=1))
    if not (shutil.which("valgrind") and shutil.which("vgdb")):
        print("there is no valgrind here; nothing was counted")
        return
    print(
        f"MLP 100-50, Adam, batches of {SPEC.batch_size}; n = {asked.rounds} differences of {LONG} and {SHORT} steps\n",
        flush=True,
    )
    instructions = count(asked.rounds)
    print("million instructions of a step, and share of torch's; median (least to greatest)")
    for name, values in instructions.items():
        share = median(values) / median(instructions[TORCH])
        print(f"  {name:28}{spread([value / 1e6 for value in values], 3):30}{share:.3f}")
    shares = [ours / theirs for ours, theirs in zip(instructions[OURS], instructions[TORCH], strict=True)]
    print(f"\n{verdict(f'at most {CLAIMED:g} of the instructions of torch', shares, at_most=CLAIMED)}")


if __name__ == "__main__":
    main()
