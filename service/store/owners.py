"""Who files belong to, by name: jobs/<id>, sweeps/<id>, uploads/<id>, datasets/<name>/<version>, models/..."""

from typing import Any

from sqlalchemy import Connection, Select, select

from service.store.data_tables import dataset_versions, datasets, uploads
from service.store.job_ids import owner_within
from service.store.shared_columns import DEFAULT
from service.store.tables import jobs, models, sweeps, versions


def of_job(job_id: str) -> str:
    """Give the name under which a job's files are kept."""
    return f"jobs/{job_id}"


def of_sweep(sweep_id: str) -> str:
    """Give the name under which a sweep's files are kept."""
    return f"sweeps/{sweep_id}"


def of_upload(upload_id: str) -> str:
    """Give the name under which the file of an upload is kept; it is also where that lies."""
    return f"uploads/{upload_id}"


def of_dataset(name: str) -> str:
    """Give the name under which files lie of a data set whose version has no number yet."""
    return f"datasets/{name}"


def of_data(name: str, version: int) -> str:
    """Give the name under which the files of a version of a data set are kept."""
    return f"{of_dataset(name)}/{version}"


def of_model(model: str) -> str:
    """Give the name under which files lie whose version has no number yet."""
    return f"models/{model}"


def of_version(model: str, version: int) -> str:
    """Give the name under which a version's files are kept."""
    return f"{of_model(model)}/{version}"


def within(account: str, owner: str) -> str:
    """Give the folder in which the files lie of what an account has under a name; `default` needs none of its own.

    That of a job is called by its whole id, that of a sweep or an upload by one that nobody chose.
    """
    is_named = owner.startswith(("models", "datasets"))
    return f"accounts/{account}/{owner}" if is_named and account != DEFAULT else owner_within(account, owner)


def is_on_record(connection: Connection, key: str) -> bool:
    """Whether that is on record to which a file belongs, by the folder in which it lies; of a version its model."""
    _, account, key = key.split("/", 2) if key.startswith("accounts/") else ("", DEFAULT, key)
    kind, _, rest = key.partition("/")
    columns = {
        "jobs": jobs.c.id,
        "sweeps": sweeps.c.id,
        "uploads": uploads.c.id,
        "datasets": datasets.c.name,
        "models": models.c.name,
    }
    if (column := columns.get(kind)) is None:
        return False
    query = select(column).where(column == rest.partition("/")[0])
    if kind in {"datasets", "models"}:
        query = query.where(column.table.c.account == account)
    return connection.scalar(query) is not None


def row_of(owner: str) -> Select[Any]:
    """Select what is called so, if it is there."""
    kind, _, name = owner.partition("/")
    if kind == "models":
        model, _, number = name.partition("/")
        return select(versions.c.version).where(versions.c.model == model, versions.c.version == int(number))
    if kind == "datasets":
        dataset, _, number = name.partition("/")
        return select(dataset_versions.c.version).where(
            dataset_versions.c.dataset == dataset, dataset_versions.c.version == int(number)
        )
    key = {"jobs": jobs.c.id, "sweeps": sweeps.c.id, "uploads": uploads.c.id}[kind]
    return select(key).where(key == name)
