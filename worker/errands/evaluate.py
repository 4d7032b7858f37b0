"""Measures a model on a data set, perhaps against another one on the same examples: with numpy alone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import learned
from models.data.builtin import BUILTIN
from models.data.examples import Examples
from models.data.load import load_test_part
from models.data.portion import Drawn, Part, rows_of
from models.ensemble import Ensemble
from models.evaluated import measured
from models.evaluated.judged import Judged, judge
from models.evaluated.paired import compare
from models.evaluated.unseen import hashes_of
from models.inference import Network, read
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.engine import DatabaseError, Row, cause
from service.store.errors import LeaseLost, NoCheckpoint, NothingThere
from service.store.job_ids import own
from service.store.references import Target
from service.store.states import spec_of
from service.store.store import Store
from worker.datasets import load
from worker.errands.failure import reason
from worker.errands.held import Held
from worker.learned_from import Known, UnknownError

_logger = logging.getLogger(__name__)

Rows = NDArray[np.intp]


class NothingLeftError(ValueError):
    """No example is left to measure on; the message says what to do."""


def evaluate(evaluation_id: str, store: Store, artifacts: Artifacts, settings: Settings, *, owner: str) -> None:
    """Make an evaluation that waits: this one, or the one that has waited longest; or put on record why it cannot be.

    It may be asked for twice, and is made once. Without the database it is left to whoever finds its lease expired.
    """
    try:
        held = store.evaluations.claim(evaluation_id, owner)
        if held is None:
            return
        with Held(store.evaluations, held, settings):
            try:
                result = _Evaluating(held, store.of(held.account), artifacts, settings).result()
            except (DatabaseError, LeaseLost):
                raise
            except Exception as error:
                _logger.warning("evaluation %s cannot be made", held.id, exc_info=error)
                store.evaluations.fail(held, {"type": type(error).__name__, "message": _said(error)})
                return
        store.evaluations.succeed(held, result)
    except LeaseLost as lost:
        _logger.warning("evaluation %s is another's by now, or was deleted", lost.job_id)
    except DatabaseError as error:
        _logger.warning("an evaluation lost the database: %s", cause(error))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, NothingThere) else reason(error)


@dataclass(frozen=True, eq=False)
class _Subject:
    """A model that is measured: what answers, how it is served, and what is known of where it comes from."""

    called: str
    target: Target
    network: Network | Ensemble
    version: Row | None
    job: Row | None

    @property
    def spec(self) -> TrainingSpec | None:
        """Give the spec by which it was trained, if that is still on record."""
        if self.version is not None:
            return TrainingSpec.model_validate(self.version.spec)
        return None if self.job is None else TrainingSpec.model_validate(spec_of(self.job))


@dataclass(frozen=True, eq=False)
class _Evaluating:
    held: Row
    store: Store
    artifacts: Artifacts
    settings: Settings

    def result(self) -> dict[str, Any]:
        """Measure, and give what is kept of it."""
        asked = self.held.asked
        model = self._subject(self.held.model, self.held.version, self.held.job_id)
        against = None if self.held.against is None else self._subject(**self.held.against)
        subjects = [model] if against is None else [model, against]
        examples, rows = self._examples(asked["dataset"], asked["part"], model)
        hashes = [self._seen(subject, examples, rows) for subject in subjects]
        keep = np.ones(len(rows), bool)
        if not asked["include_learned"]:
            for seen, _ in hashes:
                keep &= True if seen is None else ~seen
        rows = self._left(rows, keep, asked)
        judged = [self._judge(subject, examples, rows) for subject in subjects]
        pair = None if against is None else compare(judged[0], judged[1], asked["metric"])
        whys = [why for _, why in hashes if why is not None]
        return {
            "examples": len(rows),
            "left_out": None if whys else int((~keep).sum()),
            "left_out_unknown_because": "; ".join(whys) or None,
            "learned_from": [None if seen is None else int(seen.sum()) for seen, _ in hashes],
            "data_sha256": self._digest(asked["dataset"]),
            "model": measured.write(judged[0], weights_sha256=model.target.sha256),
            "against": against and measured.write(judged[1], weights_sha256=against.target.sha256),
            "comparison": pair and measured.write_paired(pair),
            "headline": measured.headline(judged[0], asked["metric"], pair),
        }

    def _subject(self, model: str | None, version: int | None, job_id: str | None) -> _Subject:
        called = f"{model}/{version}" if model is not None else own(str(job_id))
        try:
            ((target, _),) = self.store.references.look_up(called).shares
        except NoCheckpoint:
            raise NothingThere(f"job {called} has no checkpoint any more") from None
        members = [read(self.artifacts.read(*weights)) for weights in target.weights]
        network = members[0] if len(members) == 1 else Ensemble(members)
        row = None if target.model is None else self.store.models.version(target.model, target.version or 0)
        job = None if row is not None or target.job_id is None else self.store.jobs.get(target.job_id)
        return _Subject(called, target, network, row, job)

    def _examples(self, reference: str, part: Part, model: _Subject) -> tuple[Examples, Rows]:
        if part == "test" and reference in BUILTIN:
            test = load_test_part(reference, self.settings.data)
            if test is None:
                raise ValueError(f"the test part of {reference} is not there; ask for part=all")
            return test, np.arange(len(test.labels))
        examples = load(reference, self.store, self.artifacts, self.settings)
        return examples, rows_of(part, examples, self._drawn(reference, model))

    def _drawn(self, reference: str, model: _Subject) -> Drawn | None:
        """Tell how a model's job has divided a data set, if it learned from it or from one with the same examples."""
        spec = model.spec
        if spec is None:
            return None
        digest, learned_from = self._digest(reference), None if model.version is None else model.version.data_sha256
        # A name may have been given again, to other examples; and other names to the same.
        known = reference not in BUILTIN and digest is not None and learned_from is not None
        same = digest == learned_from if known else spec.dataset == reference
        return Drawn(spec.validation_fraction, spec.split_seed, bool(spec.stratify)) if same else None

    def _digest(self, reference: str) -> str | None:
        """Give the digest of a data set as it is on record; None of what is built in and nobody has looked at yet."""
        row = self.store.resolution.row_of(reference)
        return BUILTIN[reference].digest if row is None and reference in BUILTIN else row and row.sha256

    def _seen(self, subject: _Subject, examples: Examples, rows: Rows) -> tuple[NDArray[np.bool_] | None, str | None]:
        """Tell of which rows a model has learned; or why that is unknown."""
        known = Known(self.store, self.artifacts, self.settings)
        try:
            if subject.version is not None:
                its = known.of_version(subject.version)
            else:
                its = known.of_job(str(subject.target.job_id))
        except UnknownError as error:
            return None, f"it is unknown which examples {subject.called} learned from: {reason(ValueError(str(error)))}"
        return learned.seen(its, hashes_of(examples.values, examples.schema, subject.network.schema, rows)), None

    def _left(self, rows: Rows, keep: NDArray[np.bool_], asked: Mapping[str, Any]) -> Rows:
        left = rows[keep]
        if not len(left):
            who = "the model" if asked["against"] is None else "one of the models"
            raise NothingLeftError(
                f"all {len(rows):,} examples are among those that {who} learned from; name a data set with others, or "
                "say include_learned=true"
            )
        return left

    def _judge(self, subject: _Subject, examples: Examples, rows: Rows) -> Judged:
        every = len(rows) == len(examples.labels)
        return judge(
            subject.network,
            examples.values,
            examples.labels,
            examples.schema,
            subject.target.temperature,
            rows=None if every else rows,
        )
