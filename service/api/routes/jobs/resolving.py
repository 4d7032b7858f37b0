"""Which data a spec is about: it is resolved when it is submitted, and refused where it does not fit the data."""

from collections.abc import Callable, Mapping
from typing import Any

from models.data import schema as schemas
from models.data.builtin import BUILTIN
from models.spec import TrainingSpec
from models.suitability import refuse
from service.api.dependencies import Dependencies
from service.errors import Fault, Invalid
from service.refusals import no_such_data
from service.store.errors import NoSuchData
from service.store.resolution import Meant, settled
from service.store.states import Job, spec_of
from service.sweeps.expand import Trial, expand
from service.sweeps.spec import SweepSpec


def resolved(spec: TrainingSpec, deps: Dependencies, *, pointer: str = "/dataset") -> TrainingSpec:
    """Give a spec as it is trained: with the version of its data set, and what follows from that.

    Raises Invalid, and DataNotReady.
    """
    meant = look_up(spec.dataset, deps, pointer)
    require_fit(spec, meant, pointer.rpartition("/")[0])
    return settled(spec, meant)


def look_up(dataset: str, deps: Dependencies, pointer: str) -> Meant:
    """Tell which version is meant; raises Invalid where there is none, and DataNotReady."""
    try:
        return deps.store.resolution.of(dataset)
    except NoSuchData as error:
        detail = no_such_data(error.name)
        raise Invalid(detail, faults=[Fault(pointer, detail)]) from None


def require_fit(spec: TrainingSpec, meant: Meant, place: str = "") -> None:
    """Refuse a spec that its data does not allow; `place` is where its fields stand. Raises Invalid."""
    row = meant.row
    if row is None or row.schema is None:  # built in, and nobody has looked at it yet
        found = refuse(spec, BUILTIN[meant.reference].schema)
    else:
        own_parts = row.reading["taken_for"].get("split") or {} if row.reading else {}
        counts = None if own_parts or row.description is None else row.description["class_counts"]
        has_validation = bool(own_parts.get("validation"))
        found = refuse(spec, schemas.read(row.schema), counts=counts, has_validation=has_validation)
    if found:
        faults = [Fault(f"{place}/{field}", sentence) for field, sentence in found]
        raise Invalid("; ".join(f"{field}: {sentence}" for field, sentence in found), faults=faults)


def expanded(sweep: SweepSpec, deps: Dependencies) -> tuple[SweepSpec, list[Trial]]:
    """Give a sweep whose data sets are resolved, once for all its trials, and these.

    Raises Invalid, and DataNotReady.
    """
    known = deps.store.datasets.names()
    meant: dict[str, Meant] = {}

    def reference(name: Any) -> Any:
        if not isinstance(name, str) or name not in known:
            return name  # which is refused, with its place, when the trials are made
        found = meant.setdefault(name, deps.store.resolution.of(name))
        return meant.setdefault(found.reference, found).reference

    sweep = _with_data(sweep, reference)
    trials = []
    for number, trial in enumerate(expand(sweep, known), start=1):
        data = meant.setdefault(trial[0].dataset, deps.store.resolution.of(trial[0].dataset))
        try:
            require_fit(trial[0], data, f"/{sweep.kind}")
        except Invalid as error:
            raise Invalid(f"trial {number}: {error.detail}", faults=error.faults) from None
        trials.append(tuple(settled(spec, data) for spec in trial))
    return sweep, trials


def asked_then(job: Job, **changes: Any) -> TrainingSpec:
    """Give the spec of a job, perhaps with changes; raises ValidationError.

    A job from before there were versions names its data set alone, and means the first.
    """
    then = spec_of(job)
    if "/" not in then["dataset"] and then["dataset"] not in BUILTIN:
        then["dataset"] += "/1"
    return TrainingSpec.model_validate(then | changes)


def _with_data(sweep: SweepSpec, name: Callable[[Any], Any]) -> SweepSpec:
    """Give a sweep in which every data set that is named has the name that a function gives it."""

    def in_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {key: name(value) if key == "dataset" else value for key, value in fields.items()}

    changed: dict[str, Any] = {"base": in_fields(sweep.base)}
    if sweep.grid is not None and "dataset" in sweep.grid:
        changed["grid"] = {**sweep.grid, "dataset": [name(value) for value in sweep.grid["dataset"]]}
    if sweep.trials is not None:
        changed["trials"] = [in_fields(fields) for fields in sweep.trials]
    search = sweep.random or sweep.tpe
    if search is not None and "dataset" in search.ranges:
        drawn = search.ranges["dataset"]
        if drawn.choice is not None:
            drawn = drawn.model_copy(update={"choice": [name(value) for value in drawn.choice]})
        changed[sweep.kind] = search.model_copy(update={"ranges": {**search.ranges, "dataset": drawn}})
    return sweep.model_copy(update=changed)
