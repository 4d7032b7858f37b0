"""Claim: the preset "best" reads at least 99.0 % of MNIST's 10,000 test images.

First the ablation: the preset and, one change at a time, what happens without each of its parts, or with a part that
it does not have; by validation accuracy. Then the preset alone: the seconds of each job, and, once at the very end,
the accuracy on the test images, which nothing was chosen by.
"""

import argparse
from statistics import mean, stdev
from typing import Any

import numpy as np

from bench.figures import circumstances, spread
from models.data import idx
from service.client import Client
from service.processes import programs
from service.settings import Settings
from service.sweeps.presets import BEST

CLAIMED = 0.99
ABLATION: dict[str, dict[str, Any]] = {
    "preset": {},
    "no-shift": {"shift_pixels": 0},
    "no-rotation": {"rotation_degrees": 0.0},
    "with-dropout": {"dropout": 0.2},
    "no-normalisation": {"architecture": "mlp"},
    "constant-rate": {"learning_rate_schedule": "constant", "learning_rate": 0.001},
    "with-weight-decay": {"optimizer": "adamw", "weight_decay": 0.01},
    "smaller": {"hidden_sizes": [256, 256]},
    "with-averaging": {"ema_decay": 0.999},
    "constant-rate-with-averaging": {
        "learning_rate_schedule": "constant",
        "learning_rate": 0.001,
        "ema_decay": 0.999,
    },
}
AT_ONCE = 500


def ablate(client: Client, seeds: int) -> None:
    """Train the preset and its variations, and print their validation accuracies."""
    trials = [{"name": name, **changes} for name, changes in ABLATION.items()]
    sweep = client.wait_for_sweep(client.sweep(base=dict(BEST), trials=trials, seeds=seeds)["id"])
    by_name = {trial["name"]: trial for trial in sweep["trials"]}
    print(f"\n| variation | validation accuracy, {seeds} seeds | against the preset |\n|---|---|---|")
    preset = by_name["preset"]["val_accuracy"]["mean"]
    for name in ABLATION:
        ours = by_name[name]["val_accuracy"]
        difference = "" if name == "preset" else f"{100 * (ours['mean'] - preset):+.2f} points"
        print(f"| {name} | {ours['mean']:.4f} ({ours['lowest']:.4f}-{ours['highest']:.4f}) | {difference} |")


def test(client: Client, settings: Settings, seeds: int) -> list[float]:
    """Train the preset, one job at a time, and read the test images with each; gives the accuracies."""
    raw = settings.data / "MNIST" / "raw"
    images, labels = idx.read(raw / "t10k-images-idx3-ubyte"), idx.read(raw / "t10k-labels-idx1-ubyte")
    found, seconds, probabilities = [], [], []
    for seed in range(seeds):
        job = client.submit(**BEST, seed=seed, validation_fraction=0.05)
        for _ in client.follow(job["id"]):
            pass
        seconds.append(client.job(job["id"])["result"]["seconds"])
        probabilities.append(read(client, job["id"], images))
        found.append(float((probabilities[-1].argmax(axis=1) == labels).mean()))
    print(f"\n{seeds} seeds, {settings.workers} process(es) of {settings.threads} thread(s), one job at a time")
    print(f"  seconds of training and evaluation: {spread(seconds, 1)}")
    deviation = f", deviation {stdev(found):.4f}" if len(found) > 1 else ""
    print(f"  accuracy on the test images: {spread(found, 4)}; mean {mean(found):.4f}{deviation}")
    together = float((np.mean(probabilities, axis=0).argmax(axis=1) == labels).mean())
    print(f"  with the probabilities of all {seeds} averaged: {together:.4f}")
    return found


def read(client: Client, job_id: str, images: Any) -> Any:
    """Ask the network of a job for the probabilities of many images: float [N, 10]."""
    answers = [
        client.predict(images[start : start + AT_ONCE].tolist(), model=job_id)["predictions"]
        for start in range(0, len(images), AT_ONCE)
    ]
    return np.array([prediction["probabilities"] for answer in answers for prediction in answer])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablation-seeds", type=int, default=0, help="seeds of each variation; 0: none (0)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the preset; 0: none, and no test (3)")
    asked = parser.parse_args()
    settings = Settings()
    print(circumstances(threads=settings.threads), flush=True)
    with programs.short_lived(settings) as url, Client(url) as client:
        if asked.ablation_seeds:
            ablate(client, asked.ablation_seeds)
        found = test(client, settings, asked.seeds) if asked.seeds else []
    if found:
        verdict = "met" if mean(found) >= CLAIMED else "NOT met"
        print(f"claim {verdict}: at least {CLAIMED:.1%} of the test images, by the mean of {len(found)} seeds")


if __name__ == "__main__":
    main()
