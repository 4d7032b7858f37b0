"""What would become of specs that were sent to be planned: they are judged as those that are queued, and left alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from models.spec import TrainingSpec
from models.workload import Data, memory
from service.api.dependencies import Dependencies
from service.api.outlook import waits_for
from service.api.pace import Estimate, amounts
from service.api.schemas.plans import Quota, Seconds
from service.api.schemas.queue import Waiting
from service.store.engine import moment
from service.store.resolution import Meant


def plan(specs: Sequence[TrainingSpec], deps: Dependencies, *, times: float = 1.0) -> dict[str, Any]:
    """Give the fields of a plan for jobs of resolved specs; `times` so many are to come as are known."""
    meant = {reference: deps.store.resolution.of(reference) for reference in {spec.dataset for spec in specs}}
    judged = _judged(specs, meant, deps)
    outlook = deps.outlooks.now()
    begins, end = None, None
    if judged is not None:
        costs = [estimate.of(spec) for spec, _, estimate in judged]
        new = [(spec, seconds) for (spec, _, _), seconds in zip(judged, costs, strict=True)]
        begins, last = deps.outlooks.with_these(deps.account, new)
        end = None if begins is None or times > 1 else moment(outlook.snapshot.at) + timedelta(seconds=last)
    start = Waiting.of(waits_for(outlook, deps.account, deps.floor), begins, outlook.snapshot.at)
    return {
        "seconds": _seconds(judged, times),
        "memory_bytes": None if judged is None else max(memory(spec, data) for spec, data, _ in judged),
        "parameters": None
        if judged is None
        else max(spec.parameters_for(data.inputs, data.classes) for spec, data, _ in judged),
        "start": start,
        "predicted_end": _if_in_turn(start, end),
        "quotas": _quotas(len(specs), deps),
    }


Judged = Sequence[tuple[TrainingSpec, Data, Estimate]]


def _judged(specs: Sequence[TrainingSpec], meant: dict[str, Meant], deps: Dependencies) -> Judged | None:
    """Give what each spec has to learn from and will take; None where that is not known of all."""
    found, known = list[tuple[TrainingSpec, Data, Estimate]](), dict[str, Estimate]()
    for spec in specs:
        data = amounts(spec, meant[spec.dataset])
        if data is None:
            return None
        # Of those that differ in their seeds alone, one is judged.
        key = spec.model_copy(update={"seed": 0, "order_seed": None, "name": None}).model_dump_json()
        if key not in known:
            known[key] = deps.outlooks.pace.estimate(spec, data, deps.account)
        found.append((spec, data, known[key]))
    return found


def _seconds(judged: Judged | None, times: float) -> Seconds:
    if judged is None:
        return Seconds(epoch=None, total=None, judged_by=None, jobs=0)
    epochs = sum(spec.epochs for spec, _, _ in judged)
    mean = sum(spec.epochs * estimate.epoch_seconds for spec, _, estimate in judged) / epochs
    total = sum(estimate.of(spec) for spec, _, estimate in judged) * times
    least = max((estimate for _, _, estimate in judged), key=lambda its: _SURENESS.index(its.judged_by))
    return Seconds(epoch=round(mean, 4), total=round(total, 3), judged_by=least.judged_by, jobs=least.jobs)


_SURENESS = ("equal", "others", "paper")


def _if_in_turn(start: Waiting, end: datetime | None) -> datetime | None:
    return end if start.predicted_start is not None else None


def _quotas(more: int, deps: Dependencies) -> dict[str, Quota]:
    its, account = deps.outlooks.now().snapshot, deps.account
    row = deps.store.accounts.get(account)
    limits = {} if row is None else row.limits
    used = {"queued": its.counts.get(account, 0), "running": sum(job.account == account for job in its.running)}
    return {name: Quota(limit=limits.get(name), used=count, more=more) for name, count in used.items()}
