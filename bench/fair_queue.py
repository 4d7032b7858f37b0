"""Claim: behind 5,000 jobs of another account, a single job begins when a process is free, within a second.

Everything runs for real, in one stack that asks for keys. The account `busy` sends sweeps of 5,000 short jobs of five
shapes, and has all processes; then the account `single` sends one job, waits for its end, and sends the next, n times.
Held against its wait is the longest that a job which ran when it came still took; told too is after how long the first
of the processes had ended all it had, and how far the start that was predicted lay from the real one. Moments are those
that the service keeps, in milliseconds.
"""

import argparse
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select

from bench.figures import circumstances, met, spread
from service.access.scopes import Scope
from service.client import Client
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from service.store.tables import attempts
from tests.running import Stack, running_stack
from tests.waiting import wait_until

SHAPES = ([32], [64], [100], [64, 64], [128, 32])
EPOCHS, BATCH_SIZE = 20, 64
SINGLE = {"dataset": "digits", "hidden_sizes": [48], "epochs": 3, "batch_size": BATCH_SIZE}
SLACK_SECONDS = 1.0
LATE_SECONDS = 120.0
SCOPES: tuple[Scope, ...] = ("read", "train")


@dataclass(frozen=True)
class Wait:
    """How long a single job waited, what ran meanwhile, and what was said; all in seconds since it came."""

    began: float
    longest: float
    """When the last of those jobs had ended that ran when it came."""
    first_free: float
    """When a process had ended all that it had then."""
    predicted: float | None
    planned: float | None
    """What a dry run said just before."""

    @property
    def is_bounded(self) -> bool:
        """Whether it began in time."""
        return self.began <= self.longest + SLACK_SECONDS


def seconds_between(then: str, later: str | None) -> float | None:
    """Give the seconds from a moment to a later one, as the API writes them."""
    return None if later is None else (datetime.fromisoformat(later) - datetime.fromisoformat(then)).total_seconds()


def account(store: Store, name: str) -> str:
    """Add an account; gives a key of it."""
    store.accounts.add(name)
    return store.api_keys.add(name, "bench", SCOPES)[1]


def single(store: Store, client: Client) -> Wait:
    """Send a job, wait until it and all that ran when it came have ended, and tell how it went."""
    planned = client._json("POST", "/jobs", params={"dry_run": "true"}, json=SINGLE)["start"]["predicted_start"]
    sent = client.submit(**SINGLE)
    predicted = _predicted(client, sent["id"])
    came = round(datetime.fromisoformat(sent["created_at"]).timestamp() * 1000)
    job = wait_until(lambda: _ended(client, sent["id"]), timeout=LATE_SECONDS, what="the single job to end")
    ran = select(attempts.c.owner, attempts.c.ended_at).where(
        attempts.c.started_at <= came, attempts.c.ended_at.is_(None) | (attempts.c.ended_at > came)
    )

    def all_ended() -> list[Any] | None:
        with store.database.reader.connect() as connection:
            rows = list(connection.execute(ran))
        return None if any(row.ended_at is None for row in rows) else rows

    rows = wait_until(all_ended, timeout=LATE_SECONDS, what="those that ran when it came to end")
    free = dict[str, float]()
    for row in rows:
        free[row.owner] = max(free.get(row.owner, 0.0), (row.ended_at - came) / 1000)
    began = seconds_between(job["created_at"], job["started_at"])
    assert began is not None, "a job that has ended has begun"
    return Wait(
        began,
        max(free.values(), default=0.0),
        min(free.values(), default=0.0),
        seconds_between(job["created_at"], predicted),
        seconds_between(job["created_at"], planned),
    )


def _predicted(client: Client, job_id: str) -> str | None:
    """Give what a job first says of when it is to begin; None where it began before it could tell."""
    while (job := client.job(job_id))["state"] == "queued":
        if (its := job["waiting"]) and its["predicted_start"]:
            return str(its["predicted_start"])
        time.sleep(0.05)
    return None


def _ended(client: Client, job_id: str) -> dict[str, Any] | None:
    job = client.job(job_id)
    return job if job["state"] == "succeeded" else None


def waiting(store: Store) -> int:
    """Count the jobs that wait."""
    return store.queue.snapshot(seen_within_seconds=60).counts.get("busy", 0)


def sent_by_sweeps(client: Client, count: int) -> None:
    """Submit short jobs, as many of each shape."""
    each = count // len(SHAPES)
    base = {"dataset": "digits", "epochs": EPOCHS, "batch_size": BATCH_SIZE}
    for shape in SHAPES:
        trials = [{"hidden_sizes": shape, "learning_rate": 1e-4 * (1 + place)} for place in range(each)]
        client.sweep(base=base, trials=trials)


def told(waits: list[Wait]) -> None:
    """Print what all came to."""
    print(f"wait until it began: {spread([its.began for its in waits])} s; n = {len(waits)}")
    print(f"the longest that jobs which ran still took: {spread([its.longest for its in waits])} s")
    late = [its.began - its.first_free for its in waits]
    print(f"it began after the first process had ended all it had by: {spread(late)} s")
    for what, pairs in (
        ("predicted when it waited", [(its.predicted, its.began) for its in waits]),
        ("predicted by a dry run", [(its.planned, its.began) for its in waits]),
    ):
        off = [began - said for said, began in pairs if said is not None]
        if off:
            near = sum(abs(its) <= SLACK_SECONDS for its in off)
            print(f"real start less the one {what}: {spread(off)} s; {near} of {len(off)} within a second")
            print(f"  without sign: {median(map(abs, off)):.2f} s by the median; not told: {len(pairs) - len(off)}")
    held = sum(its.is_bounded for its in waits)
    print(
        f"claim {met(held == len(waits))}: a single job waits no longer than those that ran, and {SLACK_SECONDS:g} s; "
        f"{held} of {len(waits)}"
    )


def measure(stack: Stack, given: argparse.Namespace) -> list[Wait]:
    """Fill the queue, and send one job after the other."""
    store = Store.open(stack.settings).of(EVERYONE)
    busy, other = (account(store, name) for name in ("busy", "single"))
    waits, chance, end = list[Wait](), random.Random(7), time.monotonic() + given.seconds
    with Client(stack.url, key=busy) as crowd, Client(stack.url, key=other) as client:
        sent_by_sweeps(crowd, given.jobs)
        print(f"{waiting(store)} jobs of the other account wait", flush=True)
        while len(waits) < given.times and time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 2.5))  # comes at any moment of what runs
            waits.append(its := single(store, client))
            said = "nobody knew" if its.predicted is None else f"{its.predicted:.2f} s predicted"
            print(
                f"{len(waits)}: began after {its.began:.2f} s; those that ran took {its.longest:.2f} s, the first "
                f"process {its.first_free:.2f} s; {said}",
                flush=True,
            )
        print(f"{waiting(store)} jobs of the other account wait in the end")
    store.database.close()
    return waits


def main() -> None:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5000, help="of the other account (5000)")
    parser.add_argument("--times", type=int, default=20, help="single jobs (20)")
    parser.add_argument("--seconds", type=float, default=120, help="after which no further one is sent (120)")
    parser.add_argument("--workers", type=int, default=2, help="training processes (2)")
    given = parser.parse_args()
    print(circumstances(threads=1), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="tenfold-fair-") as folder,
        running_stack(Path(folder), {"TENFOLD_AUTH": "on"}, workers=given.workers) as stack,
    ):
        waits = measure(stack, given)
    told(waits)


if __name__ == "__main__":
    main()
