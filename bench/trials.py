"""Claim: the study's ten trials, 61 epochs with evaluations and plots, take us at most 1/30 of the study's time.

The service is started anew, with a training process for each core, and gets one request: the preset "report". Its time
counts from that request to the last byte of the last plot, with the loading of the data set. The study's way (see
bench/train.py) trains one epoch of each of the three kinds of network that the trials have, with as many threads as
there are cores; an epoch more of it takes as long, so that the time of all 61 is a sum. It draws no plots.
"""

import argparse
import time
from collections.abc import Mapping

import torch

from bench.figures import circumstances
from bench.train import by_study
from models.data.split import prepare
from models.spec import TrainingSpec
from service import cores
from service.client import Client
from service.processes import programs
from service.settings import Settings
from service.sweeps.presets import REPORT

CLAIMED = 30.0
PLOTS = ("curves_plot", "comparison_plot", "parallel_plot")


def by_service(settings: Settings, batch_size: int) -> tuple[float, float, Mapping[str, float]]:
    """Train all ten; gives the seconds until all were trained, until all was drawn, and the best trial's accuracies."""
    with programs.short_lived(settings) as url, Client(url) as client:
        if client.dataset("mnist")["state"] != "ready":
            raise SystemExit("MNIST is neither there nor to be downloaded; set TENFOLD_DATA to where it lies")
        started = time.perf_counter()
        sweep = client.sweep(preset="report", base={"batch_size": batch_size})
        ended = client.wait_for_sweep(sweep["id"], poll_seconds=0.1)
        trained = time.perf_counter() - started
        for plot in PLOTS:
            client.download(ended["links"][plot])
        drawn = time.perf_counter() - started
    if ended["jobs"]["succeeded"] != len(REPORT):
        raise SystemExit(f"not all trials succeeded: {ended['jobs']}")
    first = next(trial for trial in ended["trials"] if trial["trial"] == 1)
    return trained, drawn, {part: first[f"{part}_accuracy"]["mean"] for part in ("train", "val")}


def seconds_by_study(settings: Settings, batch_size: int) -> dict[tuple[str, tuple[int, ...]], float]:
    """Give the seconds of an epoch of the study's way for each kind of network."""
    seconds: dict[tuple[str, tuple[int, ...]], float] = {}
    for trial in REPORT:
        spec = TrainingSpec.model_validate({**trial.fields, "batch_size": batch_size})
        kind = (spec.architecture, spec.hidden_sizes)
        if kind not in seconds:
            split = prepare(spec, settings.data)
            started = time.perf_counter()
            next(by_study(spec, split, settings.data))
            seconds[kind] = time.perf_counter() - started
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128, help="examples in one step (128)")
    parser.add_argument("--rounds", type=int, default=3, help="times that the service trains all ten (3)")
    asked = parser.parse_args()
    settings = Settings()
    print(circumstances(threads=settings.threads), flush=True)
    runs = [by_service(settings, asked.batch_size) for _ in range(asked.rounds)]
    torch.set_num_threads(cores.available())
    study = seconds_by_study(settings, asked.batch_size)
    kinds = [(str(trial.fields["architecture"]), tuple(trial.fields["hidden_sizes"])) for trial in REPORT]
    epochs = [int(trial.fields["epochs"]) for trial in REPORT]
    theirs = sum(study[kind] * count for kind, count in zip(kinds, epochs, strict=True))

    print(f"\nten trials, {sum(epochs)} epochs, batches of {asked.batch_size}, {settings.workers} training processes")
    for (architecture, sizes), seconds in study.items():
        print(f"  study's way, {architecture.upper()} {'-'.join(map(str, sizes))}: {seconds:.2f} s an epoch")
    print(f"  study's way, all ten: {theirs:.0f} s, the sum over {sum(epochs)} epochs")
    ratios = sorted(theirs / drawn for _, drawn, _ in runs)
    for trained, drawn, accuracy in runs:
        print(
            f"  service: {trained:.1f} s, with plots {drawn:.1f} s: 1/{theirs / drawn:.1f}; trial 1 reached "
            f"{accuracy['train']:.4f} training, {accuracy['val']:.4f} validation"
        )
    middle = ratios[len(ratios) // 2]
    verdict = "met" if middle >= CLAIMED else "NOT met"
    print(f"claim {verdict}: at least {CLAIMED:g} times as fast, by the median of {len(runs)}: {middle:.1f}")


if __name__ == "__main__":
    main()
