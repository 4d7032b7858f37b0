"""The trials of a sweep, ranked by what their jobs reached. Pure: rows of the record in, figures out."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from models.metric import score_of
from service.store.engine import Row
from service.store.states import State
from service.sweeps.spec import SweepSpec


@dataclass(frozen=True)
class Spread:
    """What several seeds reached; the deviation is that of a sample, and unknown of one alone."""

    mean: float
    deviation: float | None
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Sum values up; of none there is nothing to say."""
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, min(values), max(values))


class Trained(NamedTuple):
    """What is ranked of a job; of its spec only the fields in which trials differ, and the seed."""

    id: str
    number: int
    name: str | None
    state: State
    trial: int
    spec: dict[str, Any]
    last_epoch: int
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Standing:
    """A trial: what was chosen for it, its jobs, and what those reached that succeeded."""

    trial: int
    label: str
    chosen: dict[str, Any]
    jobs: Sequence[Trained]

    @property
    def counts(self) -> Counter[State]:
        """How many of its jobs are in which state."""
        return Counter(job.state for job in self.jobs)

    @cached_property
    def succeeded(self) -> list[Trained]:
        """Its jobs that succeeded."""
        return [job for job in self.jobs if job.state == "succeeded"]

    def reached(self, figure: str) -> list[float]:
        """Give a figure of the results of the jobs that succeeded, one a seed."""
        return [job.result[figure] for job in self.succeeded if job.result is not None]

    @cached_property
    def score(self) -> float | None:
        """What trials are ranked by: the mean of what their best epochs reached by the metric, more being better."""
        reached = [score_of(job.result) for job in self.succeeded if job.result is not None]
        return statistics.fmean(reached) if reached else None


def rank(spec: SweepSpec, jobs: Iterable[Row]) -> list[Standing]:
    """Rank the trials: the best first, those of which nothing is known yet last; among equals the earlier first."""
    by_trial: dict[int, list[Trained]] = {}
    standings, varied = [], spec.varied
    kept = {*varied, "seed"}
    for job in jobs:
        # Ten thousand whole specs are a hundred megabytes.
        told = {name: value for name, value in job.spec.items() if name in kept}
        mine = Trained(job.id, job.number, job.name, job.state, job.trial, told, job.last_epoch, job.result)
        by_trial.setdefault(job.trial, []).append(mine)
    for number, of_trial in by_trial.items():
        chosen = {name: of_trial[0].spec[name] for name in varied}
        standings.append(Standing(number, _label(spec, number, chosen), chosen, of_trial))
    return sorted(standings, key=lambda one: (one.score is None, -(one.score or 0.0), one.trial))


def _label(spec: SweepSpec, number: int, chosen: dict[str, Any]) -> str:
    """What a plot calls a trial: its own name, or what was chosen for it."""
    if spec.trials is not None and "name" in spec.trials[number - 1]:
        return str(spec.trials[number - 1]["name"])
    told = "" if spec.preset else ", ".join(written(value) for value in chosen.values())
    return f"{number}: {told}" if told else f"trial {number}"


def best_job(standings: Iterable[Standing]) -> Trained | None:
    """Give the job that is best by the metric of all that succeeded; among equals the earliest."""
    jobs = sorted((job for one in standings for job in one.succeeded), key=lambda job: job.number)
    return max(jobs, key=lambda job: score_of(job.result or {}), default=None)


def written(value: Any) -> str:
    """Write the value of a field briefly: hidden sizes as 100-50."""
    if isinstance(value, list):
        return "-".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
