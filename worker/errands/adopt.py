"""Makes a checkpoint of a job a version: assessed and compared with the champion as what a job ends with is."""

import json
import logging
from dataclasses import replace

from models.data.split import divide
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.promotion import Promotion
from service.store.states import FINAL_STATES, spec_of
from service.store.store import Store
from service.store.versions import Findings
from worker.comparison.contest import Candidate, Contest
from worker.datasets import load
from worker.train.assess import assess_best

_logger = logging.getLogger(__name__)


def adopt(
    model: str,
    job_id: str,
    checkpoint: str,
    promotion: Promotion,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
) -> None:
    """Make a checkpoint of a job that has ended the next version of a model, unless it is one.

    One whose data are not to be had any more is a version all the same; its facts say why it has no card. A job that is
    gone makes none; nor does a full disk, which raises OSError: whoever asks again has it made.
    """
    if (job := store.jobs.get(job_id)) is None:
        _logger.warning("job %s is gone, and no version is made of it", job_id)
        return
    store, artifacts = store.of(job.account), artifacts.of(job.account)
    weights = store.files.get(owners.of_job(job_id), f"{checkpoint}.safetensors")
    if weights is None or job.state not in FINAL_STATES:
        _logger.warning("job %s has no checkpoint %s that could become a version", job_id, checkpoint)
        return
    if store.models.adopted(model, job_id, weights.sha256) is not None:
        return
    spec = TrainingSpec.model_validate(spec_of(job))
    findings, candidate = _assessed(job, spec, checkpoint, store, artifacts, settings)
    contest = Contest(model, spec.metric, promotion, candidate, store, artifacts, settings)
    number = contest.settle(
        lambda verdict: store.models.adopt(model, job_id, checkpoint, replace(findings, verdict=verdict), promotion)
    )
    _logger.info("the checkpoint %s of job %s is version %s of model %s", checkpoint, job_id, number, model)
    # Where another has made it meanwhile, or it is gone, nothing points to what was found out.
    artifacts.remove(store.files.unreferenced([file.key for file in findings.files]))


def _assessed(
    job: Row, spec: TrainingSpec, checkpoint: str, store: Store, artifacts: Artifacts, settings: Settings
) -> tuple[Findings, Candidate | None]:
    digest, split = None, None
    try:
        about = store.files.get(owners.of_job(job.id), f"{checkpoint}.json")
        if about is not None:
            digest = json.loads(artifacts.read(about.key, about.sha256))["data_sha256"]
        split = divide(
            load(spec.dataset, store, artifacts, settings),
            validation_fraction=spec.validation_fraction,
            split_seed=spec.split_seed,
            stratify=spec.stratify,
        )
        why = f"the data set {spec.dataset} is not what it was when that was trained"
    except (ValueError, OSError) as error:
        if may_pass(error):
            raise
        why = told(error)
    if split is None or split.digest != digest:
        return Findings(digest, {"no_card_because": f"it could not be assessed: {why}"}), None
    return assess_best(job.id, spec, split, store, artifacts, settings, name=checkpoint)
