"""What is found out about a network before it becomes a version: its assessment, its card, its golden images."""

import json
import logging
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from models import card, golden, novelty
from models.assessment import Assessment, assess
from models.data import learned
from models.data.examples import Examples
from models.data.split import Split
from models.inference import read
from models.novelty import Looks
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.settings import Settings
from service.store import owners
from service.store.files import File
from service.store.promotion import GUESSING, MAJORITY_SHARE, VALUES, measured_on
from service.store.store import Store
from service.store.versions import Findings
from worker.comparison.contest import Candidate
from worker.datasets import warnings_of
from worker.learned_from import UNKNOWN, Known, UnknownError

STEMS = ("golden", "novelty", "card", "learned")
"""How the names of all files begin that are written here."""

_logger = logging.getLogger(__name__)

_looks: WeakKeyDictionary[Examples, Looks] = WeakKeyDictionary()


def assess_best(
    job_id: str,
    spec: TrainingSpec,
    split: Split,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    *,
    name: str = "best",
) -> tuple[Findings, Candidate | None]:
    """Assess the best weights of a job, as they are on the disk, and write down what was found.

    Gives with that what is to be compared with the champion; `name` is that of the checkpoint, where it is another.
    A network that cannot be assessed is a version all the same; it has no card then, and its facts say why. Raises
    OSError while that cannot be written down.
    """
    written: list[File] = []
    try:
        return _assess(job_id, spec, split, Known(store, artifacts, settings), written, name)
    except (ValueError, OSError, LookupError) as error:
        artifacts.remove([file.key for file in written])
        if may_pass(error):
            raise
        _logger.warning("job %s: its network could not be assessed, and has no card", job_id, exc_info=True)
        return Findings(split.digest, {"no_card_because": f"it could not be assessed: {told(error)}"}), None


def _assess(
    job_id: str, spec: TrainingSpec, split: Split, known: Known, written: list[File], name: str
) -> tuple[Findings, Candidate]:
    store, artifacts = known.store, known.artifacts
    owner = owners.of_job(job_id)
    pointers = {file.name: file for file in store.files.of(owner)}
    best, about = pointers[f"{name}.safetensors"], pointers[f"{name}.json"]
    network = read(artifacts.read(best.key, best.sha256))
    made = json.loads(artifacts.read(about.key, about.sha256))
    examples = split.validation
    if examples not in _looks:
        _looks[examples] = novelty.learn_looks(examples.values, network.schema, network.plan)
    assessment = assess(network, examples.values, examples.labels, looks=_looks[examples])
    data = card.DataDescription(
        spec.dataset,
        len(split.y_train),
        len(examples.labels),
        split.digest,
        network.schema,
        warnings_of(spec.dataset, store),
    )
    description = card.write(
        spec,
        data,
        assessment,
        accuracies={"training": made["metrics"]["train_accuracy"], "validation": assessment.accuracy},
        epoch=best.epoch,
        weights_sha256=best.sha256,
        parameters=spec.parameters_for(network.inputs, len(network.classes)),
        made_with=made["fingerprint"] | made["versions"],
    )
    facts, from_all = facts_of(assessment), None
    try:
        from_all = _learned(job_id, split, known)
    except UnknownError as error:
        facts[UNKNOWN] = str(error)
    write_down(owner, assessment, description, artifacts, written, epoch=best.epoch, known=from_all)
    candidate = Candidate(
        network, spec.dataset, examples, measured_on(spec.model_dump(), split.digest), facts, from_all
    )
    return Findings(split.digest, facts, written), candidate


def _learned(job_id: str, split: Split, known: Known) -> NDArray[np.uint64]:
    """Give the hashes of the training part, and of what those learned from with whose weights the job began."""
    job = known.store.jobs.get(job_id)
    return split.learned if job is None else learned.union(split.learned, known.before(job))


def facts_of(assessment: Assessment) -> dict[str, Any]:
    """Give what the record keeps of an assessment: how to serve by it, and what guessing would have come to."""
    guessing = assessment.guessing
    return {
        "temperature": assessment.temperature,
        MAJORITY_SHARE: guessing["accuracy"],
        VALUES: assessment.values,
        GUESSING: guessing,
    }


def write_down(
    owner: str,
    assessment: Assessment,
    about: Mapping[str, Any],
    artifacts: Artifacts,
    written: list[File],
    *,
    epoch: int = 0,
    known: NDArray[np.uint64] | None = None,
) -> None:
    """Write the files of an assessment and a card; adds them to `written` one by one, as something may go wrong.

    `known` are the hashes of what was learned from, if that is known.
    """
    contents = {
        "golden.safetensors": golden.pack(assessment.golden),
        "novelty.safetensors": novelty.pack(assessment.novelty),
        "card.json": json.dumps(about, separators=(",", ":")).encode(),
    }
    if known is not None:
        contents[learned.LEARNED] = learned.pack(known)
    for name, content in contents.items():
        written.append(artifacts.write(owner, name, content, epoch=epoch))
