"""Whether what is asked for has been trained already: an equal spec, on equal data, by the same version."""

import json
from importlib.metadata import version

from models.filing import DEFAULT_MODEL
from models.spec import TrainingSpec
from service.api.dependencies import Dependencies
from service.store import owners
from service.store.states import Job, reference


def reusable(spec: TrainingSpec, asked: TrainingSpec, deps: Dependencies) -> Job | None:
    """Give the newest job whose outcome a run of a resolved spec would have, as a version of that model, or None.

    `asked` is the spec as the client sent it.
    """
    _, number = reference(spec.dataset)
    version_of_data = deps.store.resolution.row_of(spec.dataset)
    digest = None if version_of_data is None else version_of_data.sha256
    if digest is None and number is not None:
        return None  # it may be another than it was under this name
    for job in deps.store.jobs.equal_to(spec):
        if _is_of_model(job, spec, asked) and _is_whole(job) and _is_ours(job, digest, deps):
            return job
    return None


def _is_of_model(job: Job, spec: TrainingSpec, asked: TrainingSpec) -> bool:
    """Whether a job has made a version of the model that a spec is for, or was for before names followed the data."""
    named_then = DEFAULT_MODEL if job.asked is None and "model" not in asked.model_fields_set else spec.model
    return TrainingSpec.model_validate(job.spec).model in {spec.model, named_then}


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
