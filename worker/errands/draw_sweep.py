"""Plots of sweeps, drawn from what is recorded of their jobs."""

from collections.abc import Callable, Sequence
from typing import Any

from service.artifacts import Artifacts
from service.store import owners
from service.store.engine import Row
from service.store.ranking import Standing, rank, written
from service.store.store import Store
from service.sweeps.presets import REPORT, is_faithful
from service.sweeps.spec import SweepSpec
from worker.errands.failure import refuse
from worker.plots import sweep as sweep_plots
from worker.plots.sweep import Axis, Bar, Curve

MAX_CURVES = 100


def draw_sweep(sweep_id: str, plot: str, store: Store, artifacts: Artifacts) -> None:
    """Draw a plot of what is recorded of a sweep so far, unless the one there is as new."""
    owner, name = owners.of_sweep(sweep_id), f"{plot}.png"
    if (sweep := store.sweeps.get(sweep_id)) is None:
        return
    store = store.of(sweep.account)
    # Asked before the rest is read: what comes meanwhile makes the plot no newer than it is.
    progress, present = store.sweeps.progress(sweep_id), store.files.get(owner, name)
    if present is not None and present.epoch >= progress:
        return
    try:
        spec = SweepSpec.model_validate(sweep.spec)
        ranked = rank(spec, store.sweeps.jobs(sweep_id))
        picture = _PAINTERS[plot](sweep, spec, ranked, store)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
        refuse(owner, name, error, store, artifacts, epoch=progress)
        return
    file = artifacts.write(owner, name, picture, epoch=progress)
    artifacts.remove(store.files.publish(owner, [file]))


def _curves(sweep: Row, spec: SweepSpec, ranked: Sequence[Standing], store: Store) -> bytes:
    begun = [one for one in ranked if any(job.last_epoch for job in one.jobs)]
    curves = []
    for one in begun[:MAX_CURVES]:
        job_ids = [job.id for job in one.jobs if job.last_epoch]
        accuracies = store.sweeps.accuracies(job_ids)
        curves.append(
            Curve(
                label=one.label,
                train=[accuracies[job_id][0] for job_id in job_ids],
                val=[accuracies[job_id][1] for job_id in job_ids],
            )
        )
    best = f", the best {MAX_CURVES} of {len(begun):,} trials" if len(begun) > MAX_CURVES else ""
    return sweep_plots.curves(curves, _title("Accuracy", sweep, spec) + best)


def _comparison(sweep: Row, spec: SweepSpec, ranked: Sequence[Standing], _store: Store) -> bytes:
    ended = [one for one in ranked if one.succeeded]
    if spec.preset:
        ended.sort(key=lambda one: one.trial)
    bars = [
        Bar(one.label, one.reached("train_accuracy"), one.reached("val_accuracy"), _reported(spec, one))
        for one in ended
    ]
    return sweep_plots.comparison(bars, _title("Final accuracy", sweep, spec))


def _parallel(sweep: Row, spec: SweepSpec, ranked: Sequence[Standing], _store: Store) -> bytes:
    ended = [one for one in ranked if one.score is not None]
    axes = [
        Axis(name=name, values=[_place(one.chosen[name]) for one in ended], log=_is_log(spec, name))
        for name in spec.varied
    ]
    scores = [one.score for one in ended if one.score is not None]
    return sweep_plots.parallel(axes, scores, f"Best validation accuracy: {_name(sweep, spec)}")


_PAINTERS: dict[str, Callable[[Row, SweepSpec, Sequence[Standing], Store], bytes]] = {
    "curves": _curves,
    "comparison": _comparison,
    "parallel": _parallel,
}


def _reported(spec: SweepSpec, standing: Standing) -> tuple[float, float] | None:
    if spec.preset != "report" or not is_faithful(spec.base):
        return None
    report = REPORT[standing.trial - 1]
    return report.train_accuracy, report.val_accuracy


def _place(value: Any) -> float | str:
    """Give a value its place on an axis: numbers are measured, all else is told apart."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else written(value)


def _is_log(spec: SweepSpec, name: str) -> bool:
    """Whether the values of a field are better told apart by their logarithms."""
    if spec.ranges is not None:
        return spec.ranges[name].log_uniform is not None
    return name in {"learning_rate", "weight_decay", "batch_size"}


def _title(what: str, sweep: Row, spec: SweepSpec) -> str:
    """Name the fields whose values are the labels of the trials."""
    fields = [] if spec.preset or spec.trials else spec.varied
    by = f", by {', '.join(fields[:3])}{' ...' if len(fields) > 3 else ''}" if fields else ""
    return f"{what}: {_name(sweep, spec)}{by}"


def _name(sweep: Row, spec: SweepSpec) -> str:
    return spec.name or spec.preset or str(sweep.id)[:8]
