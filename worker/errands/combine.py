"""Makes an ensemble a version: its members answer together on the examples that none of them has learned from."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import card
from models.assessment import assess
from models.data.learned import union
from models.data.split import divide
from models.ensemble import Ensemble
from models.inference import Network, read
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.ensembles import Member
from service.store.errors import MemberGone
from service.store.files import File
from service.store.promotion import Promotion, measured_on
from service.store.store import Store
from service.store.versions import WEIGHTS, Findings
from worker.comparison.contest import Candidate, Contest
from worker.datasets import load, warnings_of
from worker.learned_from import Known, UnknownError
from worker.train.assess import facts_of, write_down

_logger = logging.getLogger(__name__)


def combine(
    model: str, members: Sequence[Member], promotion: Promotion, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    """Make the next version of a model of other versions, unless there is one of these members.

    They were validated on the same examples: whoever asks for this has made sure of it. An ensemble whose examples are
    not to be had any more is a version all the same; its facts say why it has no card. Damaged weights make none; nor
    does a full disk, which raises OSError: whoever asks again has it made.
    """
    if store.ensembles.find(model, members) is not None:
        return
    written: list[File] = []
    accuracy, candidate = None, None
    try:
        rows = [_version(store, member) for member in sorted(members)]
        networks = [_network(store, artifacts, row) for row in rows]
        try:
            ensemble = Ensemble(networks)
            findings, accuracy, candidate = _assessed(model, rows, ensemble, store, artifacts, settings, written)
        except (ValueError, OSError) as error:
            artifacts.remove([file.key for file in written])
            if may_pass(error):
                raise
            _logger.warning("an ensemble of model %s could not be assessed, and has no card", model, exc_info=True)
            why = f"it could not be assessed: {told(error)}"
            findings = Findings(rows[0].data_sha256, {"no_card_because": why})
        metric = TrainingSpec.model_validate(rows[0].spec).metric
        contest = Contest(model, metric, promotion, candidate, store, artifacts, settings)
        if contest.settle(
            lambda verdict: store.ensembles.make(
                model, members, replace(findings, verdict=verdict), val_accuracy=accuracy, promotion=promotion
            )
        ):
            return
    except MemberGone as gone:
        _logger.warning("no ensemble of model %s is made: %s", model, gone)
    artifacts.remove([file.key for file in written])


def _version(store: Store, member: Member) -> Row:
    row = store.models.version(*member)
    if row is None:
        raise MemberGone(f"model {member[0]} has no version {member[1]} any more")
    return row


def _network(store: Store, artifacts: Artifacts, row: Row) -> Network:
    file = store.files.get(owners.of_version(row.model, row.version), WEIGHTS)
    if file is None:
        raise MemberGone(f"the weights of version {row.version} of model {row.model} are not there any more")
    try:
        return read(artifacts.read(file.key, file.sha256))
    except (OSError, ValueError) as error:
        why = f"the weights of version {row.version} of model {row.model} cannot be used: {error}"
        raise MemberGone(why) from error


def _assessed(
    model: str,
    rows: Sequence[Row],
    ensemble: Ensemble,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    written: list[File],
) -> tuple[Findings, float, Candidate]:
    spec = TrainingSpec.model_validate(rows[0].spec)
    examples = load(spec.dataset, store, artifacts, settings)
    if examples.digest != rows[0].data_sha256:
        raise ValueError(f"the data set {spec.dataset} is not what it was when its members were trained")
    parts = divide(
        examples,
        validation_fraction=spec.validation_fraction,
        split_seed=spec.split_seed,
        stratify=spec.stratify,
    )
    assessment = assess(ensemble, parts.validation.values, parts.validation.labels)
    data = card.DataDescription(
        spec.dataset,
        len(parts.y_train),
        len(parts.validation.labels),
        parts.digest,
        examples.schema,
        warnings_of(spec.dataset, store),
    )
    about = card.write_ensemble(model, [_described(row) for row in rows], data, assessment)
    # Under the model's name: the number of the version is given when it is put on record.
    known, facts = _learned(rows, Known(store, artifacts, settings)), facts_of(assessment)
    write_down(owners.of_model(model), assessment, about, artifacts, written, known=known)
    key = measured_on(rows[0].spec, parts.digest)
    candidate = Candidate(ensemble, spec.dataset, parts.validation, key, facts, known)
    return Findings(parts.digest, facts, written), assessment.accuracy, candidate


def _learned(rows: Sequence[Row], known: Known) -> NDArray[np.uint64] | None:
    """Give the hashes of what any member has learned from; None where that is unknown of one of them."""
    try:
        return union(*(known.of_version(row) for row in rows))
    except UnknownError:
        return None


def _described(row: Row) -> dict[str, Any]:
    version = f"{row.model}/{row.version}"
    return {"version": version, "val_accuracy": row.val_accuracy, "weights_sha256": row.weights_sha256}
