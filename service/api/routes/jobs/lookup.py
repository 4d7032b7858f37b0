"""A job by its id, and its files; or the error that there is none."""

import json
from typing import Annotated, Any

from fastapi import Path

from service.api.dependencies import Dependencies
from service.api.routes.downloads import opened
from service.api.schemas.jobs import Identifier
from service.errors import Damaged, NotFound
from service.store import owners
from service.store.engine import Row
from service.store.states import Job as JobRow

JobId = Annotated[Identifier, Path(description="Id of a job.")]


def found(job: JobRow | None, job_id: str) -> JobRow:
    """Give the job, or raise NotFound."""
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def file_of(deps: Dependencies, job_id: str, name: str) -> Row:
    """Give a file of a job, or raise NotFound."""
    file = deps.store.files.get(owners.of_job(job_id), name)
    if file is None:
        found(deps.store.jobs.get(job_id), job_id)
        raise NotFound(f"job {job_id} has no {name}; checkpoints are there once an epoch has ended")
    return file


def read_json(deps: Dependencies, job_id: str, name: str) -> dict[str, Any]:
    """Read a small file of a job, which a running job may just be replacing; empty when there is none."""

    def read(file: Row) -> dict[str, Any]:
        try:
            return dict(json.loads(deps.artifacts.read(file.key, file.sha256)))
        except ValueError as error:
            raise Damaged(f"{name} of job {job_id} cannot be used: {error}") from error

    try:
        return opened(lambda: file_of(deps, job_id, name), read)
    except NotFound:
        return {}
