"""The study's trials 1 to 3 through the service: three seeds each, on MNIST, beside the figures of its report.

The report does not give its batch size nor its seeds; batches of 128 come nearest. Prints a Markdown table.
"""

import argparse
from statistics import mean
from typing import Any

from bench.figures import circumstances
from service import stack
from service.client import Client
from service.demo import REPORT_TRIAL_1
from service.settings import Settings

REPORT = {10: (1, 0.97929, 0.96383), 3: (2, 0.95921, 0.94975), 1: (3, 0.95258, 0.94783)}
"""Epochs -> trial, and the accuracies on the training and the validation part that the report gives."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="networks for each trial (3)")
    asked = parser.parse_args()
    settings = Settings()
    print(circumstances(threads=settings.threads), flush=True)
    with stack.short_lived(settings) as url, Client(url) as client:
        specs = [
            {**REPORT_TRIAL_1, "name": f"report-trial-{trial}", "dataset": "mnist", "epochs": epochs, "seed": seed}
            for epochs, (trial, _, _) in REPORT.items()
            for seed in range(asked.seeds)
        ]
        jobs = [ended(client, job["id"]) for job in [client.submit(**spec) for spec in specs]]
    print("\n| trial | epochs | training: report | ours | validation: report | ours |\n|---|---|---|---|---|---|")
    for epochs, (trial, training, validation) in REPORT.items():
        results = [job["result"] for job in jobs if job["spec"]["epochs"] == epochs]
        print(
            f"| {trial} | {epochs} | {training:.4f} | {among(training, [r['train_accuracy'] for r in results])} "
            f"| {validation:.4f} | {among(validation, [r['val_accuracy'] for r in results])} |"
        )


def ended(client: Client, job_id: str) -> dict[str, Any]:
    """Wait for a job by its event stream."""
    for _ in client.follow(job_id):
        pass
    return client.job(job_id)


def among(reported: float, ours: list[float]) -> str:
    """Tell the mean, the least and the greatest, and on which side of them the report's figure lies."""
    side = "inside" if min(ours) <= reported <= max(ours) else "above" if reported > max(ours) else "below"
    return f"{mean(ours):.4f} ({min(ours):.4f}-{max(ours):.4f}), report {side}"


if __name__ == "__main__":
    main()
