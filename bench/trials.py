"""Claim: a job of ten epochs takes us at most 1/16 of the study's time, its ten trials, 61 epochs with plots, 1/40.

The service is started anew, with a training process for each core. It gets one request, the preset "report", and its
time counts from that to the last byte of the last plot, with the loading of the data set. Then it is started anew once
more and gets one job of ten epochs, and the same again: from the request until the event stream says that it has ended.
The study's way (bench/ways.py) trains an epoch of each of the three kinds of network that the trials have, with as many
threads as there are cores; an epoch more of it takes as long, so that the time of all is a sum. It draws no plots. All
of that in turns. About four minutes.
"""

import argparse
import time
from collections.abc import Mapping
from typing import Any

from bench import ways
from bench.figures import circumstances, claim, spread
from bench.kernels import kernels
from bench.overhead import run_job
from bench.processes import Remote, cores
from models.spec import TrainingSpec
from service import cores as usable
from service.cli.demo import REPORT_TRIAL_1
from service.client import Client
from service.processes import programs
from service.settings import Settings
from service.sweeps.presets import REPORT

JOB, JOB_HOPED, TRIALS, TRIALS_HOPED = 16.0, 20.0, 40.0, 50.0
"""How many times as fast as the study's way, at least, and what is hoped for."""
EPOCHS = 10
PLOTS = ("curves_plot", "comparison_plot", "parallel_plot")

Kind = tuple[str, tuple[int, ...]]
"""Architecture and hidden sizes of a network."""


def ten_trials(settings: Settings, batch_size: int) -> tuple[float, float, Mapping[str, float]]:
    """Train all ten; gives the seconds until all were trained, until all was drawn, and the best trial's accuracies."""
    with programs.short_lived(settings) as url, Client(url) as client:
        _require_mnist(client)
        started = time.perf_counter()
        sweep = client.sweep(preset="report", base={"batch_size": batch_size})
        ended = client.wait_for_sweep(sweep["id"])
        trained = time.perf_counter() - started
        for plot in PLOTS:
            client.download(ended["links"][plot])
        drawn = time.perf_counter() - started
    if ended["jobs"]["succeeded"] != len(REPORT):
        raise SystemExit(f"not all trials succeeded: {ended['jobs']}")
    first = next(trial for trial in ended["trials"] if trial["trial"] == 1)
    return trained, drawn, {part: first[f"{part}_accuracy"]["mean"] for part in ("train", "val")}


def one_job(settings: Settings, batch_size: int) -> tuple[float, float]:
    """Train the first trial alone, twice; gives the seconds of the first job after the start, and of the second."""
    spec = {**REPORT_TRIAL_1, "dataset": "mnist", "epochs": EPOCHS, "batch_size": batch_size}
    with programs.short_lived(settings) as url, Client(url) as client:
        _require_mnist(client)
        first, _ = run_job(client, spec)
        second, _ = run_job(client, spec)
    return first, second


def _require_mnist(client: Client) -> None:
    if client.dataset("mnist")["state"] != "ready":
        raise SystemExit("MNIST is neither there nor to be downloaded; set TENFOLD_DATA to where it lies")


def study(settings: Settings, batch_size: int) -> dict[Kind, Remote[Any]]:
    """Start the study's way for each kind of network, with all cores."""
    found: dict[Kind, Remote[Any]] = {}
    for trial in REPORT:
        spec = TrainingSpec.model_validate({**trial.fields, "batch_size": batch_size})
        if (kind := (spec.architecture, spec.hidden_sizes)) not in found:
            found[kind] = Remote(ways.by_study, (spec, settings.data), cores=cores(usable.available()))
    for process in found.values():
        process.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128, help="examples in one step (128)")
    parser.add_argument("--rounds", type=int, default=3, help="times that everything is done, in turns (3)")
    asked = parser.parse_args()
    settings = Settings()
    print(circumstances(threads=settings.threads, rivals=("numpy",)))
    print(kernels(), flush=True)
    kinds: list[Kind] = [(str(trial.fields["architecture"]), tuple(trial.fields["hidden_sizes"])) for trial in REPORT]
    epochs = [int(trial.fields["epochs"]) for trial in REPORT]
    runs, jobs = [], []
    theirs: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    loops = study(settings, asked.batch_size)
    for _ in range(asked.rounds):
        runs.append(ten_trials(settings, asked.batch_size))
        jobs.append(one_job(settings, asked.batch_size))
        for kind, loop in loops.items():
            theirs[kind].append(next(loop)[0])
    for loop in loops.values():
        loop.close()

    print(f"\nbatches of {asked.batch_size}, {settings.workers} training processes of {settings.threads} thread(s)")
    for (architecture, sizes), seconds in theirs.items():
        name = f"{architecture.upper()} {'-'.join(map(str, sizes))}"
        print(f"  study's way, {usable.available()} threads, {name}: {spread(seconds)} s an epoch")
    all_ten = [
        sum(theirs[kind][place] * count for kind, count in zip(kinds, epochs, strict=True))
        for place in range(asked.rounds)
    ]
    alone = [EPOCHS * seconds for seconds in theirs[kinds[0]]]
    print(f"  study's way, all ten trials, {sum(epochs)} epochs: {spread(all_ten, 0)} s; one job: {spread(alone, 0)} s")
    print(f"  service, all ten trained: {spread([trained for trained, _, _ in runs], 1)} s")
    print(f"  service, with plots: {spread([drawn for _, drawn, _ in runs], 1)} s")
    print(f"  service, one job, the first after the start: {spread([first for first, _ in jobs])} s")
    print(f"  service, one job, the second: {spread([second for _, second in jobs])} s")
    print(f"  trial 1 reached {runs[-1][2]['train']:.4f} training, {runs[-1][2]['val']:.4f} validation\n")
    for place, which in enumerate(("the first after the start", "the second")):
        ratios = [loop / job[place] for loop, job in zip(alone, jobs, strict=True)]
        what = f"one job of {EPOCHS} epochs, {which}, times as fast"
        print(claim(what, ratios, at_least=JOB, stretch=JOB_HOPED))
    ratios = [loop / drawn for loop, (_, drawn, _) in zip(all_ten, runs, strict=True)]
    print(claim("ten trials, times as fast", ratios, at_least=TRIALS, stretch=TRIALS_HOPED))


if __name__ == "__main__":
    main()
