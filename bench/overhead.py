"""Claim: a job of ten epochs through the service takes at most 0.2 s longer than the same loop called in process.

Through the service: from the request until the event stream says that the job has ended, with everything started for
real and one training process. In process: the bare loop, in a fresh process that has torch loaded, the data set in
memory and an epoch behind it. The service is started more than once: the first job after each start finds its processes
as they are when the service says that it is ready, and is claimed and printed apart. With one thread service and loop
end with the same weights, to the bit. About three minutes.
"""

import argparse
import hashlib
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.figures import circumstances, claim, spread
from service.cli.demo import REPORT_TRIAL_1
from service.client import Client
from service.processes import programs
from service.settings import Settings

SECONDS = 0.2
"""That the service may add."""


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
    parser.add_argument("--starts", type=int, default=3, help="times that the service is started (3)")
    parser.add_argument("--pairs", type=int, default=2, help="jobs after the first of each start (2)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each job (10)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    asked = parser.parse_args()

    print(circumstances(threads=asked.threads))
    spec = {**REPORT_TRIAL_1, "dataset": "mnist", "epochs": asked.epochs}
    print(
        f"MLP 100-50, Adam 0.01, batches of 128, MNIST, {asked.epochs} epochs; "
        f"n = {asked.starts} starts of 1 + {asked.pairs} pairs, service and loop in turns\n"
    )
    print(f"{'start':>5}{'job':>4}{'service':>11}{'in process':>13}{'difference':>13}{'share':>9}", flush=True)
    settings = Settings(workers=1, threads=asked.threads)
    pairs: dict[bool, list[Pair]] = {True: [], False: []}
    for start in range(1, asked.starts + 1):
        fresh = ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)
        with programs.short_lived(settings) as url, Client(url) as client, fresh:
            for number in range(1, asked.pairs + 2):
                seconds, job = run_job(client, spec)
                in_process, weights = fresh.submit(run_loop, job["spec"], Settings().data, asked.threads).result()
                pair = Pair(job, seconds, in_process, weights == job["weights_sha256"])
                pairs[number == 1].append(pair)
                print(
                    f"{start:>5}{number:>4}{pair.service:>9.2f} s{pair.in_process:>11.2f} s{pair.difference:>+11.2f} s"
                    f"{pair.difference / pair.in_process:>+9.1%}",
                    flush=True,
                )
    for is_first, name in ((True, "the first job after each start"), (False, "the jobs after it")):
        if pairs[is_first]:
            summarise(name, pairs[is_first])


def summarise(name: str, pairs: list[Pair]) -> None:
    shares = [100 * pair.difference / pair.in_process for pair in pairs]
    added = [pair.difference for pair in pairs]
    print(f"\n{name}; median (least to greatest)")
    print(f"  added by the service {spread(added)} s, {spread(shares, 1)} %")
    print(f"  service              {spread([pair.service for pair in pairs])} s")
    for phase in pairs[0].phases():
        print(f"    {phase:36}{spread([pair.phases()[phase] for pair in pairs], 3)} s")
    print(f"  in process           {spread([pair.in_process for pair in pairs])} s")
    result = pairs[-1].job["result"]
    print(
        f"accuracy: training {result['train_accuracy']:.4f}, validation {result['val_accuracy']:.4f}; "
        f"equal weights in {sum(pair.equal_weights for pair in pairs)} of {len(pairs)} pairs"
    )
    print(claim(f"{name}, seconds that the service adds", added, at_most=SECONDS, stretch=SECONDS))


if __name__ == "__main__":
    main()
