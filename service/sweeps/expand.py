"""How a sweep expands into the specs of its jobs. Pure: no database, no clock, no hidden chance.

A trial is one choice of hyper-parameters. With several seeds it is trained several times, a job each.
"""

import itertools
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from models.spec import TrainingSpec
from service.errors import MAX_FAULTS, Fault, Invalid, pointer, sentence
from service.sweeps.spec import Range, SweepSpec

MAX_JOBS = 10_000

Trial = tuple[TrainingSpec, ...]
"""The specs of a trial's jobs, one a seed."""

Location = tuple[str | int, ...]

_FRACTIONS = {name for name, field in TrainingSpec.model_fields.items() if field.annotation is float}
_WHOLE = {name for name, field in TrainingSpec.model_fields.items() if field.annotation is int}
_ELSEWHERE = {
    "name": "a sweep names its jobs; give the sweep a name, or the trials in trials",
    "labels": "labels are given to the whole sweep, beside base",
}
_NO_ORDER = "without shuffle all trials have one order already; leave share_order out or set shuffle to true"
_ONE_ORDER = "share_order gives all trials the order of base; leave order_seed to base, or leave share_order out"


def expand(sweep: SweepSpec, datasets: Collection[str]) -> list[Trial]:
    """Give the trials of a sweep; of one that learns from its trials, the first wave.

    Raises Invalid, with a pointer to each field that is wrong; `datasets` are the names of those that there are.
    """
    _refuse(_too_many(sweep))
    _refuse(itertools.chain(_misfits(sweep), _unknown_datasets(sweep, datasets)))
    trials, faults = [], dict[Location, Fault]()
    for number, chosen in enumerate(_choices(sweep), start=1):
        try:
            trials.append(trial(sweep, number, chosen))
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                field, *rest = found["loc"]
                where = (*_place(sweep, number, str(field), chosen), *rest)
                told = _NO_ORDER if where == ("share_order",) else sentence(found)
                faults.setdefault(where, _fault(where, f"{told} (trial {number})"))
    _refuse(faults.values())
    return trials


def trial(sweep: SweepSpec, number: int, chosen: Mapping[str, Any]) -> Trial:
    """Make a trial of the values that were chosen for it. Raises ValidationError when no job can have them."""
    name = f"{sweep.name}-{number}" if sweep.name else None
    if sweep.preset:
        name = f"report-trial-{number}" if sweep.preset == "report" else sweep.preset
        chosen = {**chosen, **sweep.base}
    order = {"order_seed": _shared_order(sweep.base)} if sweep.share_order else {}
    first = TrainingSpec.model_validate({"name": name, **sweep.base, **chosen, **order, "labels": sweep.labels})
    others = (
        TrainingSpec.model_validate({**first.model_dump(exclude_unset=True), "seed": first.seed + nth})
        for nth in range(1, sweep.seeds)
    )
    return first, *others


def _shared_order(base: Mapping[str, Any]) -> Any:
    seeds = (base.get("order_seed"), base.get("seed"), TrainingSpec.model_fields["seed"].default)
    return next(seed for seed in seeds if seed is not None)


def draw(ranges: Mapping[str, Range], seed: int, number: int) -> dict[str, Any]:
    """Draw the values of a trial; the same for the same seed and number, in whatever order the ranges are given."""
    random = np.random.default_rng((seed, number))
    drawn = {name: _draw(ranges[name], random) for name in sorted(ranges)}
    return {name: drawn[name] for name in ranges}


def _draw(values: Range, random: np.random.Generator) -> Any:
    if values.choice is not None:
        return values.choice[random.integers(len(values.choice))]
    if values.integer is not None:
        return int(random.integers(values.integer[0], values.integer[1], endpoint=True))
    if values.uniform is not None:
        low, high = values.uniform
        number = random.uniform(low, high)
    else:
        assert values.log_uniform is not None
        low, high = values.log_uniform
        number = math.exp(random.uniform(math.log(low), math.log(high)))
    # Six digits are enough to draw from, and can be read.
    return min(max(float(f"{number:.6g}"), low), high)


def _choices(sweep: SweepSpec) -> Iterator[dict[str, Any]]:
    """Yield for each trial in turn the values by which it differs from the others."""
    if sweep.grid is not None:
        for values in itertools.product(*sweep.grid.values()):
            yield dict(zip(sweep.grid, values, strict=True))
    elif sweep.random is not None:
        for number in range(1, sweep.random.trials + 1):
            yield draw(sweep.random.ranges, sweep.random.seed, number)
    elif sweep.tpe is not None:
        for number in range(1, min(sweep.tpe.trials, sweep.tpe.parallel or 1) + 1):
            yield draw(sweep.tpe.ranges, sweep.tpe.seed, number)
    elif sweep.trials is not None:
        yield from sweep.trials
    else:
        yield from (dict(fields) for fields in sweep.preset_trials)


def _too_many(sweep: SweepSpec) -> Iterator[Fault]:
    """Count the jobs before any of them is made."""
    count = sweep.trial_count * sweep.seeds
    if count > MAX_JOBS:
        seeds = f" with {sweep.seeds:,} seeds each" if sweep.seeds > 1 else ""
        told = f"{sweep.trial_count:,} trials{seeds} are {count:,} jobs; a sweep has at most {MAX_JOBS:,}"
        yield Fault(f"/{sweep.kind}", f"{told}: try fewer values or seeds, or draw some with random")


def _misfits(sweep: SweepSpec) -> Iterator[Fault]:
    """Find values that no job could have, whatever its other fields are."""
    chosen: Mapping[str, object] = sweep.grid or sweep.ranges or {}
    for name, value in sweep.base.items():
        if name in chosen:
            yield _fault(("base", name), f"{name} stands in {sweep.kind} too; leave it out of one of them")
        yield from _misfit(name, value, ("base", name))
    if "seed" in chosen and sweep.seeds > 1:
        where = ("grid", "seed") if sweep.grid else (sweep.kind, "ranges", "seed")
        yield _fault(where, "every trial is trained with several seeds already; leave out seed, or set seeds to 1")
    if "order_seed" in chosen and sweep.share_order:
        yield _fault(("grid", "order_seed") if sweep.grid else (sweep.kind, "ranges", "order_seed"), _ONE_ORDER)
    for name, values in (sweep.grid or {}).items():
        yield from _misfits_among(name, values, ("grid", name))
    for name, values_from in (sweep.ranges or {}).items():
        yield from _misfits_of_range(name, values_from, (sweep.kind, "ranges", name))
    for row, fields in enumerate(sweep.trials or ()):
        for name, value in fields.items():
            if name == "order_seed" and sweep.share_order:
                yield _fault(("trials", row, name), _ONE_ORDER)
            elif name != "name":
                yield from _misfit(name, value, ("trials", row, name))


def _unknown_datasets(sweep: SweepSpec, datasets: Collection[str]) -> Iterator[Fault]:
    named: list[tuple[Location, Any]] = [(("base", "dataset"), sweep.base.get("dataset"))]
    named += [(("grid", "dataset", row), name) for row, name in enumerate((sweep.grid or {}).get("dataset", ()))]
    if sweep.ranges is not None and "dataset" in sweep.ranges:
        choice = (sweep.kind, "ranges", "dataset", "choice")
        named += [((*choice, row), name) for row, name in enumerate(sweep.ranges["dataset"].choice or ())]
    named += [(("trials", row, "dataset"), fields.get("dataset")) for row, fields in enumerate(sweep.trials or ())]
    for where, name in named:
        if isinstance(name, str) and name not in datasets:
            yield _fault(where, f"there is no data set called {name[:128]!r}; GET /datasets lists them")


def _misfits_of_range(name: str, values: Range, where: Location) -> Iterator[Fault]:
    kind, given = values.given
    known = name in TrainingSpec.model_fields and name not in _ELSEWHERE
    if known and kind != "choice" and name not in (_WHOLE if kind == "integer" else _FRACTIONS):
        remedy = "integer or choice" if name in _WHOLE else "uniform or choice" if name in _FRACTIONS else "choice"
        yield _fault((*where, kind), f"{name} cannot be drawn like this; use {remedy}")
    else:
        yield from _misfits_among(name, given, (*where, kind) if known else where)


def _misfits_among(name: str, values: list[Any], where: Location) -> Iterator[Fault]:
    if name in _ELSEWHERE or name not in TrainingSpec.model_fields:
        yield from _misfit(name, None, where)
        return
    seen = set()
    for index, value in enumerate(values):
        if (written := json.dumps(value)) in seen:
            yield _fault((*where, index), "this value stands in the list already")
        seen.add(written)
        yield from _misfit(name, value, (*where, index))


def _misfit(name: str, value: Any, where: Location) -> Iterator[Fault]:
    if name in _ELSEWHERE:
        yield _fault(where, _ELSEWHERE[name])
        return
    try:
        TrainingSpec.model_validate({name: value})
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            # Rules between fields are for whole specs: another field may yet be chosen that fits.
            if found["type"] != "value_error":
                yield _fault((*where, *found["loc"][1:]), sentence(found))


def _place(sweep: SweepSpec, number: int, field: str, chosen: Mapping[str, Any]) -> Location:
    """Tell where in the sweep the value of a trial's field stands."""
    if sweep.trials is not None and field in chosen:
        return "trials", number - 1, field
    if sweep.grid is not None and field in sweep.grid:
        return "grid", field, sweep.grid[field].index(chosen[field])
    if sweep.ranges is not None and field in sweep.ranges:
        return sweep.kind, "ranges", field
    if field == "order_seed" and sweep.share_order and sweep.base.get(field) is None:
        return ("share_order",)
    return ("base", field) if field in sweep.base else (sweep.kind,)


def _fault(where: Location, detail: str) -> Fault:
    # The name of a field that does not exist may be as long as the body, and hold what is no character.
    return Fault(_sendable(pointer(("body", *where))[:200]), _sendable(detail))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _refuse(faults: Iterable[Fault]) -> None:
    """Raise Invalid if there is any fault; names no more of them than an answer holds."""
    if found := list(itertools.islice(faults, MAX_FAULTS)):
        summary = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in found[:3])
        raise Invalid(summary, faults=found)
