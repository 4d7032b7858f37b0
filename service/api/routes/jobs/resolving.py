"""Which data a spec is about: it is resolved when it is submitted, and refused where it does not fit the data."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from models.data import schema as schemas
from models.data.builtin import BUILTIN
from models.data.schema import Images, Table
from models.evaluated.suited import suit
from models.filing import PromotionTerms
from models.spec import TrainingSpec
from models.suitability import refuse
from service.api.dependencies import Dependencies
from service.api.promoting import permitted, permitted_sweep
from service.errors import Conflict, Fault, Invalid
from service.refusals import disabled_webhook, no_such_data
from service.store.errors import DataNotReady, NoSuchData
from service.store.promotion import Promotion
from service.store.resolution import Meant, settled
from service.store.states import Job, reference, spec_of
from service.sweeps.expand import Trial, expand
from service.sweeps.spec import SweepSpec


def resolved(
    spec: TrainingSpec, deps: Dependencies, *, pointer: str = "/dataset", given: Set[str] | None = None
) -> TrainingSpec:
    """Give a spec as it is trained: with the version of its data set, and what follows from that.

    `given` are the fields that the client gave, by default those that the spec was made with. Raises Invalid,
    Forbidden, and DataNotReady.
    """
    meant, place = look_up(spec.dataset, deps, pointer), pointer.rpartition("/")[0]
    require_webhooks([spec], deps, f"{place}/webhook")
    spec = permitted(spec, deps.caller, given, place)
    require_fit(spec, meant, place, given=given)
    return settled(spec, meant, compared_on(spec.evaluate_on, meant, deps, f"{place}/evaluate_on"))


def require_webhooks(specs: Iterable[TrainingSpec], deps: Dependencies, pointer: str) -> None:
    """Refuse specs that name a webhook that is not there, or is told nothing. Raises Invalid."""
    named = {spec.webhook: None for spec in specs if spec.webhook is not None}
    if not named:
        return
    disabled = deps.store.webhooks.disabled(named)
    for name in named:
        why = disabled.get(name, "")
        if why is not None:
            detail = (
                disabled_webhook(name, why) if why else f"there is no webhook {name}; PUT /webhooks/{name} makes one"
            )
            raise Invalid(f"webhook: {detail}", faults=[Fault(pointer, detail)])


def compared_on(evaluate_on: str | None, learned: Meant | None, deps: Dependencies, pointer: str) -> Meant | None:
    """Tell which version the examples are of that a promotion is decided by, if it was named.

    Raises Invalid where there is none, or a network that has learned from `learned` cannot be measured on it, and
    DataNotReady.
    """
    if evaluate_on is None:
        return None
    meant = look_up(evaluate_on, deps, pointer)
    if learned is None:
        return meant
    data, network = (_schema(its) for its in (meant, learned))
    try:
        suit(data, network)
        why = (
            None if set(data.classes) & set(network.classes) else "none of its classes is among those that are learned"
        )
    except ValueError as error:
        why = str(error)
    if why is not None:
        detail = f"{meant.reference} cannot tell how good a network of {learned.reference} is: {why}"
        raise Invalid(f"evaluate_on: {detail}", faults=[Fault(pointer, detail)])
    return meant


def settled_terms(deps: Dependencies, terms: PromotionTerms, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give when a version is to be champion, with the version of the data set that this is decided by.

    `spec` is that of the network. Raises what `compared_on` raises.
    """
    promotion = Promotion.of(terms)
    if promotion.evaluate_on is not None:
        reference, row = spec["dataset"], deps.store.resolution.row_of(spec["dataset"])
        is_there = row is not None or reference in BUILTIN
        learned = Meant(reference, row) if is_there else None
        meant = compared_on(promotion.evaluate_on, learned, deps, "/evaluate_on")
        promotion = replace(promotion, evaluate_on=None if meant is None else meant.reference)
    return asdict(promotion)


def _schema(meant: Meant) -> Images | Table:
    if meant.row is None or meant.row.schema is None:  # built in, and nobody has looked at it yet
        return BUILTIN[meant.reference].schema
    return schemas.read(meant.row.schema)


def look_up(dataset: str, deps: Dependencies, pointer: str) -> Meant:
    """Tell which version is meant; raises Invalid where there is none, and DataNotReady."""
    try:
        return deps.store.resolution.of(dataset)
    except NoSuchData as error:
        detail = no_such_data(error.name)
        raise Invalid(detail, faults=[Fault(pointer, detail)]) from None


def require_fit(spec: TrainingSpec, meant: Meant, place: str = "", *, given: Set[str] | None = None) -> None:
    """Refuse a spec that its data does not allow; `place` is where its fields stand. Raises Invalid."""
    row = meant.row
    if row is None or row.schema is None:
        found = refuse(spec, _schema(meant))
    else:
        own_parts = row.reading["taken_for"].get("split") or {} if row.reading else {}
        counts = None if own_parts or row.description is None else row.description["class_counts"]
        found = refuse(
            spec,
            _schema(meant),
            counts=counts,
            learning=own_parts.get("train"),
            has_validation=bool(own_parts.get("validation")),
            given=given,
        )
    if found:
        faults = [Fault(f"{place}/{field}", sentence) for field, sentence in found]
        raise Invalid("; ".join(f"{field}: {sentence}" for field, sentence in found), faults=faults)


def require_same_form(job: Job, dataset: str, deps: Dependencies) -> None:
    """Refuse data on which a job's network cannot go on: of other inputs or classes. Raises Invalid."""
    then, now = (_form(reference, deps) for reference in (asked_then(job).dataset, dataset))
    if then is None or now is None or then == now:
        return
    detail = (
        f"job {job.id} learned from {then}, and {dataset} has {now}: its weights do not fit; train anew on {dataset}, "
        "or continue on data of the same form"
    )
    raise Invalid(detail, faults=[Fault("/changes/dataset", detail)])


def _form(reference: str, deps: Dependencies) -> str | None:
    """Tell what a network of a data set takes in and tells apart, if the data set is still there."""
    try:
        meant = deps.store.resolution.of(reference)
    except (NoSuchData, DataNotReady):
        return None
    schema = _schema(meant)
    things = (
        f"pictures of {' x '.join(map(str, schema.shape))}"
        if isinstance(schema, Images)
        else f"tables of {len(schema.columns):,} columns"
    )
    return f"{things} in {len(schema.classes):,} classes"


def same_data(job: Job, made_with: Mapping[str, Any] | None, deps: Dependencies) -> dict[str, str]:
    """Give the version with the examples of then, or refuse; of what is built in, only the worker sees what it is."""
    dataset = asked_then(job).dataset
    name, number = reference(dataset)
    if made_with is None or number is None:
        return {}
    then = made_with["data_sha256"]
    row = deps.store.resolution.row_of(dataset)
    if row is not None and row.sha256 in {then, None}:
        return {}
    if (same := deps.store.resolution.same(name, then)) is not None:
        return {"dataset": same}
    newest = None if ":" in name else deps.store.datasets.get(name)
    gone = f"the data set {name!r}" if newest is None else f"version {number} of the data set {name!r}"
    now = f"{gone} has been {'deleted' if row is None else 'replaced'} since it was trained: its digest was {then}"
    if newest is not None:
        now += f", and version {newest.version} has the digest {newest.sha256}"
    raise Conflict(f"job {job.id} cannot be verified: {now}; upload the data of then again, or train on other data")


def expanded(sweep: SweepSpec, deps: Dependencies) -> tuple[SweepSpec, list[Trial]]:
    """Give a sweep whose data sets are resolved, once for all its trials, and these.

    Raises Invalid, and DataNotReady.
    """
    known = deps.store.datasets.names()
    meant: dict[str, Meant] = {}

    def reference(name: Any) -> Any:
        if not isinstance(name, str) or (name not in known and ":" not in name):
            return name  # which is refused, with its place, when the trials are made
        try:
            found = meant.setdefault(name, deps.store.resolution.of(name))
        except NoSuchData:  # what another account does not share
            return name
        known.add(found.reference)
        return meant.setdefault(found.reference, found).reference

    sweep = _with_data(permitted_sweep(sweep, deps.caller), reference)
    trials, compared = [], dict[tuple[str, str | None], Meant | None]()
    for number, trial in enumerate(expand(sweep, known), start=1):
        data = meant.setdefault(trial[0].dataset, deps.store.resolution.of(trial[0].dataset))
        try:
            require_fit(trial[0], data, f"/{sweep.kind}")
        except Invalid as error:
            raise Invalid(f"trial {number}: {error.detail}", faults=error.faults) from None
        of = trial[0].dataset, trial[0].evaluate_on
        if of not in compared:
            compared[of] = compared_on(of[1], data, deps, f"/{sweep.kind}")
        trials.append(tuple(settled(permitted(spec, deps.caller), data, compared[of]) for spec in trial))
    its = "/base/webhook" if "webhook" in sweep.base else f"/{sweep.kind}"
    require_webhooks((spec for trial in trials for spec in trial), deps, its)
    return sweep, trials


def asked_then(job: Job, changes: Mapping[str, Any] = MappingProxyType({})) -> TrainingSpec:
    """Give the spec of a job, perhaps with changes; raises ValidationError.

    A job from before there were versions names its data set alone, and means the first; its parts were drawn without
    regard to classes, whatever holds for what is read since.
    """
    then = {"stratify": False, **spec_of(job)}
    if "/" not in then["dataset"] and then["dataset"] not in BUILTIN:
        then["dataset"] += "/1"
    return TrainingSpec.model_validate({**then, **changes})


def said(job: Job) -> Set[str]:
    """Give the fields that the client gave of a job's spec, as far as that is known; the others were chosen for it."""
    return set(job.asked or ())


def _with_data(sweep: SweepSpec, name: Callable[[Any], Any]) -> SweepSpec:
    """Give a sweep in which every data set that is named has the name that a function gives it."""

    def in_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {key: name(value) if key in {"dataset", "evaluate_on"} else value for key, value in fields.items()}

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
