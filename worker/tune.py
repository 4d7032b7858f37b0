"""`tenfold tune`: what training processes of this machine had best be given, and the measurement that says so.

Run as a program it prints one measurement, so that several can run side by side: `python -m worker.tune THREADS`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from models import tuning
from service import cores


@dataclass(frozen=True)
class Configuration:
    """A number of processes side by side, and of threads in each; `seconds` of a network's step by group size."""

    processes: int
    threads: int
    seconds: dict[int, float]

    def steps_a_second(self, group_size: int) -> float:
        """Count the steps of a network that the whole machine does in a second."""
        return self.processes / self.seconds[group_size]

    @property
    def best(self) -> float:
        """Give its highest throughput."""
        return max(self.steps_a_second(size) for size in self.seconds)


def measure_configurations() -> list[Configuration]:
    """Measure one process for each core with one thread, and one process with a thread for each core."""
    count = cores.available()
    return [_measure_together(processes, threads) for processes, threads in dict.fromkeys([(count, 1), (1, count)])]


def _measure_together(processes: int, threads: int) -> Configuration:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "worker.tune", str(threads)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(processes)]
    found = [json.loads(process.communicate()[0]) for process in running]
    seconds = {size: mean(each[str(size)] for each in found) for size in tuning.GROUP_SIZES}
    return Configuration(processes, threads, seconds)


def recommend(configurations: Sequence[Configuration]) -> Iterator[str]:
    """Say what was measured, and which settings follow from it."""
    first = configurations[0]
    yield f"{cores.available()} core(s) to use; MLP 100-50, batches of 128; steps of a network a second, all together"
    yield f"{'processes x threads':>22}" + "".join(f"{f'group of {size}':>14}" for size in first.seconds)
    for configuration in configurations:
        rates = "".join(f"{configuration.steps_a_second(size):>14,.0f}" for size in configuration.seconds)
        yield f"{f'{configuration.processes} x {configuration.threads}':>22}{rates}"
    chosen = tuning.choose(first.seconds)
    gain = first.steps_a_second(chosen) / first.steps_a_second(1) - 1
    yield (
        f"group size: {chosen}, the smallest within {tuning.TOLERANCE - 1:.0%} of the best; {gain:+.0%} against one "
        f"network at a time (training processes take {tuning.GROUP}; TENFOLD_GROUP_SIZE says otherwise)"
    )
    if len(configurations) > 1:
        other = configurations[1]
        ratio = first.best / other.best
        yield (
            f"threads: 1; {first.processes} processes of one thread do {ratio:.2f} times the work of one process of "
            f"{other.threads}, and equal jobs give equal bits (TENFOLD_WORKERS and TENFOLD_THREADS override it)"
        )


def main() -> None:
    """Measure and recommend; or, given a number of threads, measure in this process alone and print JSON."""
    if len(sys.argv) > 1:
        tuning.use_threads(int(sys.argv[1]))
        sys.stdout.write(json.dumps(tuning.measure(repetitions=10)))
    else:
        sys.stdout.writelines(f"{line}\n" for line in recommend(measure_configurations()))


if __name__ == "__main__":
    main()
