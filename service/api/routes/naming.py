"""Models and jobs share one space of names, that of references: what would mean two things is refused."""

import re

from models.spec import TrainingSpec
from service.api.dependencies import Dependencies
from service.errors import Conflict, Fault, Invalid

_OUR_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def require_name_of_model(name: str, deps: Dependencies, pointer: str = "/model") -> None:
    """Refuse a name for a model, or an alias, that is or could be a job's id; raises Invalid."""
    if _OUR_IDS.fullmatch(name):
        detail = f"{name} has the form of a job's id, and a reference could mean either; choose another name"
    elif _is_job_alone(name, deps):
        detail = f"there is a job with the id {name}, and a reference could mean either; choose another name"
    else:
        return
    raise Invalid(f"{pointer.rpartition('/')[2] or 'the body'}: {detail}", faults=[Fault(pointer, detail)])


def require_model_of(job_id: str, name: str, deps: Dependencies) -> None:
    """Refuse to train for the model of a job anew where another job has taken that name meanwhile; raises Conflict."""
    if _is_job_alone(name, deps):
        raise Conflict(
            f"job {job_id} is one of the model {name}, which is not there, and there is a job with this id by now: a "
            "reference could mean either; submit its spec with another model"
        )


def _is_job_alone(name: str, deps: Dependencies) -> bool:
    return deps.store.jobs.get(name) is not None and deps.store.models.get(name) is None


def require_id_of_job(job_id: str, spec: TrainingSpec, deps: Dependencies) -> None:
    """Refuse an id for a job that is a model's name, or will be; raises Conflict and Invalid."""
    if deps.store.models.get(job_id) is not None:
        raise Conflict(f"there is a model called {job_id}, and a reference could mean either; choose another id")
    if deps.store.jobs.will_be(job_id):
        raise Conflict(
            f"a job that has not ended will be a version of the model {job_id}, and a reference could mean either; "
            "choose another id"
        )
    if spec.model == job_id:
        detail = (
            f"the job and its model cannot both be called {job_id}: a reference could mean either; choose another id, "
            "or say what the model is to be called, which is its data set's name if nothing is said"
        )
        raise Invalid(detail, faults=[Fault("/model", detail)])
