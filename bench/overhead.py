"""Claim: a job through the service takes at most 10 % longer than the same loop called in process, plus 1 s.

Through the service: from the request until the event stream says that the job has ended, with everything started for
real and one training process. In process: the bare loop, in a fresh process. Both have torch loaded, the data set in
memory and an epoch behind them; with one thread they end with the same weights, to the bit.
"""

import argparse
import hashlib
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import circumstances, spread
from service.cli.demo import REPORT_TRIAL_1
from service.client import Client
from service.processes import programs
from service.settings import Settings

SHARE, SECONDS = 0.10, 1.0


@dataclass(frozen=True)
class Pair:
    """One job, the seconds that its client saw, and those of the same loop in process."""

    job: dict[str, Any]
    service: float
    in_process: float
    equal_weights: bool

    @property
    def difference(self) -> float:
        """Seconds that the service added."""
        return self.service - self.in_process

    @property
    def excess(self) -> float:
        """Seconds beyond those that the claim allows; negative where it holds."""
        return self.difference - SHARE * self.in_process - SECONDS

    def phases(self) -> dict[str, float]:
        """Tell where the client's seconds went."""
        created, started, finished = (
            datetime.fromisoformat(self.job[moment]) for moment in ("created_at", "started_at", "finished_at")
        )
        training = self.job["result"]["seconds"]
        return {
            "until a worker took the job": (started - created).total_seconds(),
            "epochs, both evaluations included": training,
            "files and records between them": (finished - started).total_seconds() - training,
            "request and event stream": self.service - (finished - created).total_seconds(),
        }


def run_job(client: Client, spec: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Give the seconds that a client waits for the end of a job, and the job."""
    started = time.perf_counter()
    job_id = client.submit(**spec)["id"]
    for _ in client.follow(job_id):
        pass
    seconds = time.perf_counter() - started
    job = client.job(job_id)
    if job["state"] != "succeeded":
        raise SystemExit(f"the job {job['state']}: {job['error']['message'] if job['error'] else 'by somebody else'}")
    return seconds, job


def run_loop(asked: dict[str, Any], folder: Path, threads: int) -> tuple[float, str]:
    """Give the seconds of the bare loop in this process, and the SHA-256 of the final weights."""
    import torch

    from models.checkpoints import pack_weights
    from models.data.split import prepare
    from models.records import Epoch
    from models.spec import TrainingSpec
    from models.training import train

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    spec = TrainingSpec.model_validate(asked)
    split = prepare(spec, folder)
    next(train([spec], split))
    started = time.perf_counter()
    for record in train([spec], split):
        if isinstance(record, Epoch):
            last = record
    seconds = time.perf_counter() - started
    weights = pack_weights(last.checkpoint, spec, mean=split.mean, deviation=split.deviation)
    return seconds, hashlib.sha256(weights).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="jobs through the service, each beside the loop (5)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each job (10)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    asked = parser.parse_args()

    print(circumstances(threads=asked.threads))
    spec = {**REPORT_TRIAL_1, "dataset": "mnist", "epochs": asked.epochs}
    print(
        f"MLP 100-50, Adam 0.01, batches of 128, MNIST, {asked.epochs} epochs; "
        f"n = {asked.pairs} pairs, service and loop in turns"
    )
    fresh = ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)
    settings = Settings(workers=1, threads=asked.threads)
    with programs.short_lived(settings) as url, Client(url) as client, fresh:
        first, _ = run_job(client, spec)
        print(f"the first job, whose worker loads the data set, is not counted: {first:.2f} s\n", flush=True)
        print(f"{'pair':>4}{'service':>11}{'in process':>13}{'difference':>13}{'share':>9}")
        pairs = []
        for number in range(1, asked.pairs + 1):
            seconds, job = run_job(client, spec)
            in_process, weights = fresh.submit(run_loop, job["spec"], Settings().data, asked.threads).result()
            pair = Pair(job, seconds, in_process, weights == job["weights_sha256"])
            pairs.append(pair)
            print(
                f"{number:>4}{pair.service:>9.2f} s{pair.in_process:>11.2f} s{pair.difference:>+11.2f} s"
                f"{pair.difference / pair.in_process:>+9.1%}",
                flush=True,
            )
    summarise(pairs)


def summarise(pairs: list[Pair]) -> None:
    shares = [100 * pair.difference / pair.in_process for pair in pairs]
    print("\nmedian (least to greatest)")
    print(f"  overhead of a pair   {spread(shares, 1)} %, {spread([pair.difference for pair in pairs])} s")
    print(f"  service              {spread([pair.service for pair in pairs])} s")
    for phase in pairs[0].phases():
        print(f"    {phase:36}{spread([pair.phases()[phase] for pair in pairs], 3)} s")
    print(f"  in process           {spread([pair.in_process for pair in pairs])} s")
    result = pairs[-1].job["result"]
    print(
        f"accuracy: training {result['train_accuracy']:.4f}, validation {result['val_accuracy']:.4f}; "
        f"equal weights in {sum(pair.equal_weights for pair in pairs)} of {len(pairs)} pairs"
    )
    verdict = "met" if median(pair.excess for pair in pairs) <= 0 else "NOT met"
    print(
        f"claim {verdict}: at most {SHARE:.0%} longer plus {SECONDS:g} s, by the median; "
        f"in {sum(pair.excess <= 0 for pair in pairs)} of {len(pairs)} pairs"
    )


if __name__ == "__main__":
    main()
