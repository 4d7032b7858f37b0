"""Whether what is asked for has been trained already: an equal spec, on equal data, by the same version."""

import json
from importlib.metadata import version

from models.spec import TrainingSpec
from service.api.dependencies import Dependencies
from service.store import owners
from service.store.states import Job


def reusable(spec: TrainingSpec, deps: Dependencies) -> Job | None:
    """Give the newest job whose outcome a run of `spec` would have, as a version of the same model, or None."""
    uploaded = deps.store.datasets.get(spec.dataset)
    digest = uploaded.description["sha256"] if uploaded is not None and uploaded.description else None
    if digest is None and uploaded is not None and uploaded.source == "upload":
        return None  # it may be another than it was under this name
    for job in deps.store.jobs.equal_to(spec):
        if TrainingSpec.model_validate(job.spec).model == spec.model and _is_whole(job) and _is_ours(job, digest, deps):
            return job
    return None


def _is_whole(job: Job) -> bool:
    """Whether a job began at the beginning, and ended by what its spec says."""
    began = job.origin is None or job.origin["kind"] in {"retry", "verify"}
    return began and job.result["stopped_early"] in {None, "patience"}


def _is_ours(job: Job, digest: str | None, deps: Dependencies) -> bool:
    """Whether this version trained it on data of this digest, or of any if it is None; and its weights are there."""
    files = {file.name: file for file in deps.store.files.of(owners.of_job(job.id))}
    file, best = files.get("last.json"), files.get("best.safetensors")
    if file is None or best is None or not deps.artifacts.path(best.key).exists():
        return False
    try:
        about = json.loads(deps.artifacts.read(file.key, file.sha256))
    except (ValueError, FileNotFoundError):
        return False
    return bool(
        about["versions"]["tenfold"] == version("tenfold") and about["data_sha256"] == (digest or about["data_sha256"])
    )
