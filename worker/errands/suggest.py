"""What a sweep that learns tries next: Optuna is asked anew each time, with all that is on record of the sweep."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from service.broker.doorbell import Doorbell
from service.store.errors import DataNotReady, NoSuchData
from service.store.ranking import Standing, rank
from service.store.states import FINAL_STATES
from service.store.store import Store
from service.sweeps.expand import Trial, trial
from service.sweeps.spec import Range, SweepSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# Rules between fields may forbid what is suggested: dropout for an mlp, for example.
_TRIES = 100

_logger = logging.getLogger(__name__)


def extend(sweep_id: str, store: Store, doorbell: Doorbell) -> None:
    """Add to a sweep as many trials as it has room for, chosen by what those before them brought."""
    sweep = store.sweeps.get(sweep_id)
    if sweep is None or sweep.suggested >= sweep.trials:
        return
    store = store.of(sweep.account)
    spec = SweepSpec.model_validate(sweep.spec)
    assert spec.tpe is not None, "only a sweep that learns has trials to come"
    assert spec.tpe.parallel is not None, "settled when the sweep was submitted"
    so_far = sorted(rank(spec, store.sweeps.jobs(sweep_id)), key=lambda one: one.trial)
    under_way = sum(not _has_ended(one) for one in so_far)
    room = min(spec.tpe.parallel - under_way, sweep.trials - sweep.suggested)
    if room <= 0:
        return
    trials = suggest(spec, so_far, after=sweep.suggested, count=room)
    if trials:
        try:
            trials = [tuple(store.resolution.settle(one)) for one in trials]
        except (NoSuchData, DataNotReady) as gone:  # deleted, or not shared any more
            _logger.warning("sweep %s: %s; it ends with the trials it has", sweep_id, gone)
            store.sweeps.close(sweep_id, after=sweep.suggested)
            return
        doorbell.ring(store.sweeps.extend(sweep_id, trials, after=sweep.suggested))
    else:
        _logger.warning("sweep %s: no values are found that fit together; it ends with the trials it has", sweep_id)
        store.sweeps.close(sweep_id, after=sweep.suggested)


def suggest(spec: SweepSpec, so_far: Sequence[Standing], *, after: int, count: int) -> list[Trial]:
    """Choose the next trials, at most `count`; the same for the same record.

    Fewer, or none, if nothing is found that fits together.
    """
    assert spec.tpe is not None
    ranges = spec.tpe.ranges
    distributions = {name: _distribution(values) for name, values in ranges.items()}
    study = _study((spec.tpe.seed + after) % 2**32, [_as_trial(one, ranges, distributions) for one in so_far])
    trials: list[Trial] = []
    for _ in range(_TRIES):
        asked = study.ask(distributions)
        chosen = {name: _value(ranges[name], place) for name, place in asked.params.items()}
        try:
            trials.append(trial(spec, after + len(trials) + 1, chosen))
        except ValidationError:
            # Never told, it counts as a bad one that is under way; told as failed, it would come again and again.
            continue
        if len(trials) == count:
            break
    return trials


def _study(seed: int, trials: Sequence["FrozenTrial"]) -> "Study":
    """Build Optuna's view of the sweep; trials that are under way count as bad ones, so that others are tried."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(trials)
    return study


def _as_trial(one: Standing, ranges: dict[str, Range], distributions: dict[str, "BaseDistribution"]) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    params = {name: _place(values, one.chosen[name]) for name, values in ranges.items()}
    if not _has_ended(one):
        return create_trial(params=params, distributions=distributions, state=TrialState.RUNNING)
    if one.score is None:
        return create_trial(params=params, distributions=distributions, state=TrialState.FAIL)
    return create_trial(params=params, distributions=distributions, value=one.score)


def _distribution(values: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind, given = values.given
    if kind == "choice":
        # Lists are no categories to Optuna; their places are.
        return CategoricalDistribution(range(len(given)))
    low, high = given
    return IntDistribution(low, high) if kind == "integer" else FloatDistribution(low, high, log=kind == "log_uniform")


def _place(values: Range, value: Any) -> Any:
    return value if values.choice is None else values.choice.index(value)


def _value(values: Range, place: Any) -> Any:
    return place if values.choice is None else values.choice[place]


def _has_ended(one: Standing) -> bool:
    return all(job.state in FINAL_STATES for job in one.jobs)
