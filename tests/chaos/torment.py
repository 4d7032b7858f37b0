"""Claim: whatever is killed, frozen, emptied or lied to, every job ends once, and with the bits of an undisturbed run.

Starts everything, trains each of a handful of specs undisturbed, and then submits jobs and throws faults at the
service, in an order chosen by a seed: every fault comes once before one comes twice. When all jobs have ended, the
record and the files are checked (invariants.py). Ends with 1 if anything was violated, or a fault never happened.
"""

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import RedisError

from bench.figures import circumstances
from service.settings import Settings
from service.store.engine import DatabaseError
from tests.chaos.accounts import strayed
from tests.chaos.arena import Arena, Kind, arena, running
from tests.chaos.endings import drain, misheard, train_references
from tests.chaos.faults import FREEZE, Fault, faults_of
from tests.chaos.invariants import Evidence, Violation, told, unreferenced, violations
from tests.chaos.network import OF_THE_NETWORK
from tests.chaos.webhooks import counted, deliver_all, listening, untold
from tests.chaos.workloads import SPECS, TINY

_DRAIN_SECONDS = 240.0
_CLIENTS = 4
"""How many submit jobs at the same time."""
_STALE = "was replaced or the job is gone"
_DAMAGED = "cannot go on from its"


@dataclass(frozen=True)
class Outcome:
    """What a run found, and its figures as lines."""

    fired: Mapping[str, int]
    violations: Sequence[Violation]
    stale_writes: int
    lines: Sequence[str]

    @property
    def silent(self) -> list[str]:
        """The faults that were wanted and never happened, or of which nothing was seen."""
        never = [name for name, count in self.fired.items() if not count]
        unseen = self.fired.get(FREEZE, 0) and not self.stale_writes
        return [*never, "a stale write that was rejected"] if unseen else never


def torment(
    database: Kind,
    *,
    jobs: int,
    seconds: float,
    seed: int,
    only: str = "",
    at_once: int = 1,
    pause: float = 0.5,
    home: Path | None = None,
    workers: int = 2,
    tiny: bool = False,
    specs: Sequence[Mapping[str, Any]] = SPECS,
    away: float = 5.0,
    skew_seconds: int = 0,
) -> Outcome:
    """Run the service for so many seconds, and at least until every fault has happened, and check what is left.

    `only`: those faults whose names hold this word. `at_once`: so many at a time. `pause`: mean seconds from the end of
    one fault to the next. `workers`: training processes. `tiny`: jobs of milliseconds, instead of
    the `specs`. `away`: seconds for which the broker refuses connections. `skew_seconds`: by how much the workers'
    clock is wrong.
    """
    faults = {name: fault for name, fault in faults_of(database).items() if only in name}
    proxied = not OF_THE_NETWORK.isdisjoint(faults.values())
    chosen = TINY if tiny else specs
    with arena(database, seed, home, workers=workers, specs=chosen, proxied=proxied) as ring:
        ring.away_seconds, ring.skew_seconds = away, skew_seconds
        with listening(ring), running(ring):
            train_references(ring)
            begun = time.monotonic()
            fired, errors = _disturb(ring, faults, jobs=jobs, seconds=seconds, seed=seed, at_once=at_once, pause=pause)
            drained = drain(ring, timeout=_DRAIN_SECONDS + jobs / 10)
            took = time.monotonic() - begun
            deliver_all(ring, timeout=_DRAIN_SECONDS)
        evidence = Evidence.read(ring.settings)
        found = violations(evidence) + [Violation("misheard", what) for what in misheard(ring)]
        found += [Violation("untold", what) for what in untold(ring, evidence)]
        found += [Violation("strayed", what) for what in strayed(evidence, dict(ring.accepted))]
        stale, damaged = ring.log("train").count(_STALE), ring.log("train").count(_DAMAGED)
        ended = f"{len(evidence.jobs)} jobs in {took:.0f} s, the last {drained:.1f} s of them without a fault"
        lost, size = unreferenced(evidence)
        lines = [
            ended + ": " + _counted([job.state for job in evidence.jobs]),
            "of the accounts " + _counted(sorted(job.account for job in evidence.jobs)),
            *(f"  {job.id} failed: {job.error}" for job in evidence.jobs if job.state == "failed"),
            *(f"  {name}: {count}" for name, count in fired.items()),
            *(f"  {error}" for error in errors),
            *_takeovers(ring, evidence),
            *_latencies(ring, evidence),
            f"stale writes rejected: {stale}; damaged checkpoints noticed: {damaged}",
            counted(ring),
            f"files that nothing points to: {lost}, {size:,} bytes",
            told(found),
        ]
        return Outcome(fired, found, stale, lines)


def _disturb(
    ring: Arena,
    faults: Mapping[str, Fault],
    *,
    jobs: int,
    seconds: float,
    seed: int,
    at_once: int,
    pause: float,
) -> tuple[dict[str, int], list[str]]:
    """Submit the jobs evenly, and throw faults meanwhile; gives how often each happened, and what went wrong."""
    fired: dict[str, int] = dict.fromkeys(faults, 0)
    errors: list[str] = []

    def throw(name: str) -> None:
        begun = time.monotonic()
        try:
            faults[name](ring)
        except (AssertionError, OSError, TimeoutError, DatabaseError, RedisError) as error:
            errors.append(f"{name} did not happen: {error}")
            print(f"  {errors[-1]}", flush=True)
        else:
            fired[name] += 1
            print(f"  {name}, {time.monotonic() - begun:.1f} s", flush=True)

    with ThreadPoolExecutor(at_once + _CLIENTS) as pool:
        submitting = [pool.submit(_submit, ring, jobs // _CLIENTS, seconds, seed + n) for n in range(_CLIENTS)]
        until, done = time.monotonic() + seconds, 0
        order: list[str] = []
        thrown: list[Future[None]] = []
        while time.monotonic() < until or done < len(faults):
            order = order or ring.chance.sample(list(faults), len(faults))
            thrown.append(pool.submit(throw, order.pop()))
            done += 1
            if len(under_way := [each for each in thrown if not each.done()]) >= at_once:
                wait(under_way, return_when=FIRST_COMPLETED)
            time.sleep(ring.chance.uniform(0.0, 2 * pause))
        # Raises what nobody expected.
        for each in [*thrown, *submitting]:
            each.result()
    return fired, errors


def _submit(ring: Arena, count: int, seconds: float, seed: int) -> None:
    chance = random.Random(f"{seed}, jobs")
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number * seconds / count - time.monotonic()))
        ring.submit(chance.choice(ring.specs), {"chaos": "job"}, patience=90)


def _takeovers(ring: Arena, evidence: Evidence) -> list[str]:
    lines = []
    for kind in ("training process", "worker"):
        seconds = []
        for kill in (each for each in ring.kills if each.of == kind):
            for job_id, attempt in kill.attempts.items():
                # Only of jobs that nobody paused or cancelled meanwhile: the next event but one is "running".
                told = [event for event in evidence.events[job_id] if event.type == "state"]
                after = [event for event in told if event.data.get("attempt", 0) > attempt]
                if after and not [e for e in told if e.data["state"] == "paused" and e.data["attempt"] == attempt]:
                    seconds.append((after[0].created_at - kill.at_ms) / 1000)
        lines.append(f"from the kill of a {kind} to the next attempt: {_percentiles(seconds, 's')}")
    return lines


def _latencies(ring: Arena, evidence: Evidence) -> list[str]:
    accepted = [post for post in ring.posts if post.status in {200, 202}]
    away = [
        post.seconds * 1000
        for post in accepted
        if any(begin <= post.sent_at and post.sent_at + post.seconds <= end for begin, end in ring.broker_away)
    ]
    receipts = [job.cancellation for job in evidence.jobs if job.cancellation and job.cancellation["how"] != "waiting"]
    return [
        f"POST /jobs while the broker is away: {_percentiles(away, 'ms')}",
        f"POST /jobs at any time: {_percentiles([post.seconds * 1000 for post in accepted], 'ms')}; "
        f"{len(ring.posts) - len(accepted)} were not answered with 202 and sent again",
        f"from the cancelling of a running job to its end: "
        f"{_percentiles([receipt['latency_ms'] for receipt in receipts], 'ms')}",
    ]


def _percentiles(values: Sequence[float], unit: str) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    digits = 1 if unit == "s" else 0
    shown = [f"{value:,.{digits}f} {unit}" for value in (p50, p99, ordered[-1])]
    return f"p50 {shown[0]}, p99 {shown[1]}, max {shown[2]} (n = {len(ordered)})"


def _counted(names: Sequence[str]) -> str:
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--jobs", type=int, default=60, help="jobs at least (60)")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of faults at least (120)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of all chance (by chance)")
    parser.add_argument("--home", type=Path, help="folder of the service, to be kept (a temporary one)")
    parser.add_argument("--only", default="", help="a word that the names of the wanted faults hold (all)")
    parser.add_argument("--at-once", type=int, default=1, help="faults at a time (1)")
    parser.add_argument("--pause", type=float, default=0.5, help="mean seconds between two faults (0.5)")
    parser.add_argument("--workers", type=int, default=2, help="training processes (2)")
    parser.add_argument("--tiny", action="store_true", help="jobs of milliseconds")
    parser.add_argument("--away", type=float, default=5.0, help="seconds for which the broker refuses connections (5)")
    parser.add_argument("--skew-seconds", type=int, default=0, help="by how much the workers' clock is wrong (0)")
    asked = parser.parse_args()
    if asked.skew_seconds and asked.database == "sqlite":
        parser.error("--skew-seconds needs --database postgresql: SQLite has no clock but that of whoever asks it")
    print(circumstances(threads=Settings().threads), flush=True)
    print(f"database {asked.database}, seed {asked.seed}", flush=True)
    outcome = torment(**vars(asked))
    print("\n" + "\n".join(outcome.lines))
    if outcome.silent:
        print(f"wanted, and never seen: {', '.join(outcome.silent)}")
    sys.exit(1 if outcome.silent or outcome.violations else 0)
