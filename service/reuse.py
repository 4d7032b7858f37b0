"""Whether what is asked for has been trained already: an equal spec, on equal data, by the same version."""

import json
from importlib.metadata import version

from models.spec import TrainingSpec
from service.parts import Parts
from service.store.engine import Record
from service.store.states import Job, owner_of


def reusable(spec: TrainingSpec, parts: Parts) -> Job | None:
    """Give the newest job whose outcome a run of `spec` would have, or None."""
    digest = _digest(spec.dataset, parts)
    for job in parts.store.jobs.equal_to(spec):
        file = parts.store.files.get(owner_of(job.id), "last.json")
        if file is not None and _is_ours(file, digest, parts):
            return job
    return None


def _is_ours(file: Record, digest: str | None, parts: Parts) -> bool:
    try:
        about = json.loads(parts.artifacts.read(file.key, file.sha256))
    except (ValueError, FileNotFoundError):
        return False
    return bool(
        about["versions"]["tenfold"] == version("tenfold") and about["data_sha256"] == (digest or about["data_sha256"])
    )


def _digest(dataset: str, parts: Parts) -> str | None:
    """Give the digest of a data set; None for a built-in one at which nobody has looked yet."""
    row = parts.store.datasets.get(dataset)
    return row.description["sha256"] if row is not None and row.description else None
