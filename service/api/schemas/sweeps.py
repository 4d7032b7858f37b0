"""Sweeps as they are shown, on the wire and as a table."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, Field

from service.edge.links import links
from service.store.engine import Row, moment
from service.store.ranking import Spread, Standing, best_job
from service.store.states import STATES, State
from service.store.tally import SweepState, Tally, state_of
from service.sweeps.presets import REPORT, is_faithful
from service.sweeps.spec import SweepSpec

SweepPlot = Literal["curves", "comparison", "parallel"]
SWEEP_PLOTS: tuple[SweepPlot, ...] = get_args(SweepPlot)

_METRICS = ("loss", "train_accuracy", "val_accuracy", "best_val_accuracy", "best_epoch", "seconds", "stopped_early")


class SweepProgress(BaseModel):
    """How far a sweep has come."""

    trials: int = Field(description="Trials that were asked for.", examples=[8])
    trials_chosen: int = Field(
        description="Trials that have jobs; fewer than `trials` while `tpe` has more to choose.", examples=[8]
    )
    epochs: int = Field(description="Epochs that were asked for, all jobs together.", examples=[72])
    epochs_done: int = Field(description="Epochs that have ended.", examples=[30])
    fraction: float = Field(
        description="Share of the epochs that need not be waited for any more; 1 once the sweep has ended.",
        examples=[0.4167],
    )
    eta_seconds: float | None = Field(
        description="Seconds left: epochs left, times the seconds of the last epoch of the jobs that run, divided by "
        "how many these are. Null while none of them has ended an epoch.",
        examples=[12.5],
    )


class SweepSummary(BaseModel):
    """A sweep, without its trials."""

    id: str = Field(examples=["0a4f6a0e-7f3a-4c52-8a35-0f7d3f6d8f11"])
    name: str | None
    labels: dict[str, str]
    state: SweepState = Field(
        description="`running` while a job has not ended or more trials are to come. Then `cancelled` if that was "
        "asked for, `failed` if no job succeeded, else `succeeded`."
    )
    cancel_requested: bool = Field(description="Whether the sweep was cancelled.")
    jobs: dict[State, int] = Field(description="How many jobs are in which state.")
    progress: SweepProgress
    created_at: datetime
    finished_at: datetime | None
    links: dict[str, str]


class SpreadView(BaseModel):
    """What the seeds of a trial reached."""

    mean: float = Field(examples=[0.9626])
    deviation: float | None = Field(description="Standard deviation of the sample; null for one seed.")
    lowest: float = Field(examples=[0.9602])
    highest: float = Field(examples=[0.9644])


class ReportedView(BaseModel):
    """What the study's report says of a trial."""

    train_accuracy: float = Field(examples=[0.97929])
    val_accuracy: float = Field(examples=[0.96383])
    train_inside: bool | None = Field(description="Whether our seeds reached both less and more, or just as much.")
    val_inside: bool | None = Field(description="The same of the validation accuracy.")


class TrialView(BaseModel):
    """One choice of values, and what its seeds reached. Accuracies are those of the jobs that succeeded."""

    trial: int = Field(description="Its number, from 1.", examples=[3])
    name: str | None = Field(description="The name of its jobs.")
    overrides: dict[str, Any] = Field(
        description="Its values of the fields in which the trials of the sweep differ.",
        examples=[{"learning_rate": 0.003, "batch_size": 64}],
    )
    jobs: dict[State, int] = Field(description="How many of its jobs are in which state.")
    job_ids: list[str] = Field(description="Its jobs, one a seed.")
    train_accuracy: SpreadView | None = Field(description="On the training part, after the last epoch.")
    val_accuracy: SpreadView | None = Field(description="On the validation part, after the last epoch.")
    best_val_accuracy: SpreadView | None = Field(
        description="On the validation part, after the best epoch; its mean is what trials are ranked by."
    )
    reported: ReportedView | None = Field(
        description="For `preset: report`, as long as `base` changes nothing that the report gives."
    )


class Sweep(SweepSummary):
    """A sweep: what was asked for, and what became of its trials."""

    spec: SweepSpec
    best_trial: int | None = Field(description="The trial that ranks first.", examples=[3])
    best_job: str | None = Field(description="Id of the job with the best validation accuracy of all.")
    trials: list[TrialView] = Field(description="The trials, the best first.")


class SweepPage(BaseModel):
    """Some sweeps, the newest first."""

    data: list[SweepSummary]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.", examples=["/sweeps?limit=20&after=7"])


def summary(row: Row, tally: Tally) -> SweepSummary:
    """Show a row of the table `sweeps` and the count of its jobs."""
    state = state_of(row, tally)
    return SweepSummary(
        id=row.id,
        name=row.name,
        labels=row.labels,
        state=state,
        cancel_requested=row.cancel_requested,
        jobs=_counts(tally.counts),
        progress=_progress(row, tally),
        created_at=moment(row.created_at),
        finished_at=moment(tally.finished_at) if state != "running" and tally.finished_at is not None else None,
        links=_links(row.id),
    )


class Written(NamedTuple):
    """A sweep as JSON, in parts: all but its trials, and each of these."""

    beginning: bytes
    trials: list[bytes]
    end: bytes

    def first(self, limit: int) -> bytes:
        """Give the whole with so many trials."""
        return self.beginning + b",".join(self.trials[:limit]) + self.end


def written(row: Row, spec: SweepSpec, tally: Tally, ranked: Sequence[Standing], *, most: int) -> Written:
    """Write a sweep with the first of its ranked trials, at most so many."""
    best = best_job(ranked)
    sweep = Sweep(
        **dict(summary(row, tally)),
        spec=spec,
        best_trial=ranked[0].trial if best is not None else None,
        best_job=best.id if best is not None else None,
        trials=[],
    )
    trials = [_trial(spec, standing).model_dump_json().encode() for standing in ranked[:most]]
    end = b"]}"  # of the trials, which are the last field
    return Written(sweep.model_dump_json().encode().removesuffix(end), trials, end)


def table(spec: SweepSpec, ranked: Sequence[Standing]) -> str:
    """Write a sweep as CSV, one line a job, in the order of the trials; lists are written as JSON."""
    varied = [name for name in spec.varied if name != "seed"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "name", "seed", "job_id", "state", *varied, "epochs_done", *_METRICS])
    for standing in sorted(ranked, key=lambda one: one.trial):
        for job in standing.jobs:
            fields = [json.dumps(value) if isinstance(value := job.spec[name], list) else value for name in varied]
            reached = [(job.result or {}).get(name) for name in _METRICS]
            row = [job.trial, job.name, job.spec["seed"], job.id, job.state, *fields, job.last_epoch, *reached]
            writer.writerow(row)
    return text.getvalue()


def _trial(spec: SweepSpec, standing: Standing) -> TrialView:
    spreads = {name: Spread.of(standing.reached(name)) for name in ("train_accuracy", "val_accuracy")}
    best = Spread.of(standing.reached("best_val_accuracy"))
    return TrialView(
        trial=standing.trial,
        name=standing.jobs[0].name,
        overrides=standing.chosen,
        jobs=_counts(standing.counts),
        job_ids=[job.id for job in standing.jobs],
        train_accuracy=_spread(spreads["train_accuracy"]),
        val_accuracy=_spread(spreads["val_accuracy"]),
        best_val_accuracy=_spread(best),
        reported=_reported(spec, standing.trial, spreads),
    )


def _reported(spec: SweepSpec, number: int, ours: dict[str, Spread | None]) -> ReportedView | None:
    if spec.preset != "report" or not is_faithful(spec.base):
        return None
    report = REPORT[number - 1]
    return ReportedView(
        train_accuracy=report.train_accuracy,
        val_accuracy=report.val_accuracy,
        train_inside=_is_inside(report.train_accuracy, ours["train_accuracy"]),
        val_inside=_is_inside(report.val_accuracy, ours["val_accuracy"]),
    )


def _is_inside(figure: float, ours: Spread | None) -> bool | None:
    return None if ours is None else ours.lowest <= figure <= ours.highest


def _spread(spread: Spread | None) -> SpreadView | None:
    return SpreadView(**vars(spread)) if spread is not None else None


def _counts(counts: Any) -> dict[State, int]:
    return {state: counts[state] for state in STATES}


def _progress(row: Row, tally: Tally) -> SweepProgress:
    to_come = 0 if row.cancel_requested else row.trials - row.suggested
    # Trials that have not been chosen yet are taken to be like the others.
    expected = tally.epochs * to_come / row.suggested
    left, whole = tally.epochs_left + expected, tally.epochs + expected
    running = tally.counts["running"]
    eta = 0.0 if left == 0 else None
    if left and running and tally.epoch_seconds is not None:
        eta = round(left * tally.epoch_seconds / running, 3)
    return SweepProgress(
        trials=row.trials,
        trials_chosen=row.suggested,
        epochs=tally.epochs,
        epochs_done=tally.epochs_done,
        # Without jobs it is being deleted just now.
        fraction=round(1 - left / whole, 4) if whole else 1.0,
        eta_seconds=eta,
    )


def _links(sweep_id: str) -> dict[str, str]:
    sweep = f"/sweeps/{sweep_id}"
    paths = {
        "self": sweep,
        "cancel": f"{sweep}/cancel",
        "jobs": f"/jobs?sweep={sweep_id}",
        "table": f"{sweep}/table.csv",
        **{f"{plot}_plot": f"{sweep}/plots/{plot}.png" for plot in SWEEP_PLOTS},
    }
    return links(paths)
