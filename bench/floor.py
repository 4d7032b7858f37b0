"""Claim: an epoch takes us at most 1.95 times its floor, among 20 seeds 2.0 times, and 1.8 times in one order for all.

The floor is what the processor needs at least: the floating point operations of all products, at the highest rate that
any library reaches on a core (bench/peak.py), and a step of Adam in C for each batch. Nothing is gathered, no loss is
computed. It is measured in the same rounds as ours, on a core for one job, on all at once for 20 seeds. It needs a C
compiler. About five minutes.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import pairwise

from bench.figures import circumstances, claim, spread
from bench.kernels import kernels
from bench.peak import Peak, compiler, peaks
from bench.processes import Remote, cores
from bench.sweep import OWN, OWN_HALF, SHARED, SHARED_HALF, Side, contestants
from models.data.split import prepare
from models.spec import TrainingSpec
from service import cores as usable
from service.settings import Settings

ONE = "ours, one job"
CLAIMED = {ONE: 1.95, OWN: 2.0, SHARED: 1.8}
"""How many times the floor at most."""
HOPED = 1.5
_SIZES = (784, 100, 50, 10)
_BATCH = 64


def floor(peak: Peak, training: int, examples: int, *, half: bool = False, evaluated: bool = True) -> float:
    """Give the least seconds of an epoch of one network on one core, which trains on some of all examples."""
    products = [2 * inputs * outputs for inputs, outputs in pairwise(_SIZES)]
    rates = [1e9 * peak.gflops["float32"][0]] * len(products)
    if half:
        rates[0] = 1e9 * peak.gflops["bfloat16"][0]
    forward = sum(flop / rate for flop, rate in zip(products, rates, strict=True))
    # Gradients of weights cost as much; those of inputs are needed from the second layer on.
    backward = forward + sum(flop / rate for flop, rate in zip(products[1:], rates[1:], strict=True))
    steps = -(-training // _BATCH) * peak.adam
    return training * (forward + backward) + steps + (examples * forward if evaluated else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=20, help="seeds of the network (20)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured of each side, after one to warm up (5)")
    asked = parser.parse_args()
    count = usable.available()
    print(circumstances(threads=1, rivals=("numpy",)))
    print(kernels())
    if compiler() is None:
        print("skipped: there is no C compiler here, and so no floor")
        return
    folder = Settings().data
    split = prepare(TrainingSpec(), folder)
    sizes = len(split.y_train), len(split.y_train) + len(split.y_val)
    spec = {"hidden_sizes": [100, 50], "learning_rate": 0.01, "batch_size": _BATCH, "epochs": 2 + asked.rounds}
    apart = [[core] for core in cores(count)]
    specs = [{**spec, "seed": seed} for seed in range(asked.networks)]
    sides = {ONE: Side.ours([spec], folder, apart[:1]), **contestants(specs, folder, apart)}
    measuring = [Remote[Peak](peaks, (), cores=place) for place in apart]
    print(f"MLP 100-50, Adam, batches of {_BATCH}, MNIST; n = {asked.rounds} rounds after one to warm up\n", flush=True)
    for process in measuring:
        process.wait()
    for side in sides.values():
        side.wait()
    alone: list[Peak] = []
    together: list[list[Peak]] = []
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(1 + asked.rounds):
        alone.append(next(measuring[0])[1])
        seconds[ONE].append(sides[ONE].epoch())
        for process in measuring:
            process.ask()
        together.append([process.answer()[1] for process in measuring])
        for name in sides:
            if name != ONE:
                seconds[name].append(sides[name].epoch())
    for process in measuring:
        process.close()
    for side in sides.values():
        side.close()
    tell(alone[1:], sizes)
    summarise({name: values[1:] for name, values in seconds.items()}, alone[1:], together[1:], sizes)


def tell(alone: Sequence[Peak], sizes: tuple[int, int]) -> None:
    """Print what one core reached, and the floors that follow."""
    print("one core alone; median (least to greatest)")
    for numbers in alone[0].gflops:
        who = max(peak.gflops[numbers] for peak in alone)[1]
        print(f"  GFLOP/s {numbers:9}{spread([peak.gflops[numbers][0] for peak in alone], 0)}, most by {who}")
    for place in alone[0].memory:
        print(f"  GB/s {place:12}{spread([peak.memory[place] for peak in alone], 0)}, read and written")
    print(f"  Adam in C, us    {spread([1e6 * peak.adam for peak in alone], 1)}")
    for half in (False, True)[: len(alone[0].gflops)]:
        for evaluated in (False, True):
            floors = [1000 * floor(peak, *sizes, half=half, evaluated=evaluated) for peak in alone]
            what = f"{'bfloat16' if half else 'float32'}, {'with' if evaluated else 'without'} evaluation"
            print(f"  floor of an epoch, {what}: {spread(floors, 0)} ms")


def summarise(
    seconds: Mapping[str, Sequence[float]],
    alone: Sequence[Peak],
    together: Sequence[Sequence[Peak]],
    sizes: tuple[int, int],
) -> None:
    """Print ours beside the floor of the same round."""
    print()
    for name, values in seconds.items():
        half = name in {OWN_HALF, SHARED_HALF}
        if name == ONE:
            floors = [floor(peak, *sizes) for peak in alone]
        else:
            # All cores work: together they do so many networks a second.
            floors = [1 / sum(1 / floor(peak, *sizes, half=half) for peak in peaks_) for peaks_ in together]
        of_floor = [ours / least for ours, least in zip(values, floors, strict=True)]
        print(f"  {name:30}{spread([1000 * value for value in values], 1)} ms an epoch of one network")
        if name in CLAIMED:
            print(claim(f"{name}, times its floor", of_floor, at_most=CLAIMED[name], stretch=HOPED))
        else:
            print(f"  {name}, times its floor: {spread(of_floor)}; nothing is claimed")


if __name__ == "__main__":
    main()
