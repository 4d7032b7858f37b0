"""What a version has learned from: as it wrote down itself, or else as its data set and its split still say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import learned
from models.data.builtin import BUILTIN
from models.data.draw import draw
from models.data.learned import LEARNED
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.states import spec_of
from service.store.store import Store
from worker.datasets import load

UNKNOWN = "learned_from_unknown_because"
"""What the facts of a version say where even its worker could not tell."""

_NOTHING = np.zeros(0, np.uint64)


class UnknownError(Exception):
    """It cannot be told which examples a network has learned from; the message says why."""


@dataclass(frozen=True)
class Known:
    """Looks up what networks have learned from."""

    store: Store
    artifacts: Artifacts
    settings: Settings

    def of_version(self, row: Row) -> NDArray[np.uint64]:
        """Give the hashes of the training examples of a version; raises UnknownError."""
        file = self.store.files.get(owners.of_version(row.model, row.version), LEARNED)
        if file is not None:
            try:
                return learned.unpack(self.artifacts.read(file.key, file.sha256))
            except (OSError, ValueError):
                pass  # what was written down can be found out again
        if UNKNOWN in row.facts:
            raise UnknownError(row.facts[UNKNOWN])
        if row.members is not None:
            return learned.union(*(self._of_member(its["model"], its["version"]) for its in row.members))
        if (job := self.store.jobs.get(str(row.job_id))) is None:
            raise UnknownError(f"job {row.job_id} was deleted, and with it whether that went on from another one")
        return learned.union(self.before(job), self._of_spec(TrainingSpec.model_validate(row.spec), row.data_sha256))

    def _of_member(self, model: str, version: int) -> NDArray[np.uint64]:
        row = self.store.models.version(model, version)
        if row is None:
            raise UnknownError(f"its member {model}/{version} was deleted")
        return self.of_version(row)

    def of_job(self, job_id: str) -> NDArray[np.uint64]:
        """Give the hashes of all that the network of a job has learned from; raises UnknownError."""
        if (version := self.store.models.made_of(job_id)) is not None:
            return self.of_version(version)
        if (job := self.store.jobs.get(job_id)) is None:
            raise UnknownError(f"it went on from job {job_id}, which was deleted")
        return learned.union(self.before(job), self._of_spec(TrainingSpec.model_validate(spec_of(job)), None))

    def before(self, job: Row) -> NDArray[np.uint64]:
        """Give the hashes of what those networks learned from with whose weights a job began; raises UnknownError."""
        origin = job.origin or {}
        return self.of_job(origin["job_id"]) if origin.get("kind") in {"continue", "fine_tune"} else _NOTHING

    def _of_spec(self, spec: TrainingSpec, data_sha256: str | None) -> NDArray[np.uint64]:
        """Draw the training part again, from the data set that a spec names if that is what it was."""
        try:
            examples = load(spec.dataset, self.store, self.artifacts, self.settings)
            # What is built in never changes, and to compute a digest takes time.
            row = None if spec.dataset in BUILTIN else self.store.resolution.row_of(spec.dataset)
            if row is not None and data_sha256 not in {None, row.sha256 or examples.digest}:
                raise UnknownError(f"the data set {spec.dataset} is not what it was when that was trained")
            parts = draw(
                examples.labels,
                examples.parts,
                fraction=spec.validation_fraction,
                seed=spec.split_seed,
                stratify=bool(spec.stratify),
            )
            return learned.learn(examples.values, examples.schema, parts.train)
        except (OSError, ValueError) as error:
            raise UnknownError(f"what it was trained on cannot be looked up any more: {error}") from error
