"""Data sets and their versions as clients see them: uploaded, read anew, looked at, cancelled, deleted.

What is built in is on record once somebody has asked for it, with one version. A number is never given again, so that
what has learned from `letters/1` is never said to have learned from something else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from models.data.builtin import BUILTIN
from service.store import growth, owners
from service.store.audit import note
from service.store.data_states import (
    CANCELLED,
    NOTHING_READ,
    VERSION,
    begin,
    by_number,
    end,
    log,
    own,
    this,
    version_of,
)
from service.store.data_tables import dataset_versions, datasets
from service.store.engine import Database, Row, insert_or, locked, now_ms
from service.store.errors import BaseInUse, BaseNotThere, DatasetInUse, FileNotKept, NoSuchData, ReadingEnded
from service.store.event_tables import events
from service.store.events import log_deletion
from service.store.files import File, publish, share, withdraw_all
from service.store.grants import forget
from service.store.growth import effective
from service.store.keys import Key, claim, keep
from service.store.quotas import require_bytes
from service.store.states import FINAL_STATES
from service.store.tables import jobs, versions
from service.store.uploads import hold
from service.store.versions import in_order

SENT = "file"
"""What a version calls the file as it was sent."""

_NEWEST_FIRST = dataset_versions.c.version.desc()


@dataclass(frozen=True)
class Datasets:
    """The data sets of a database; `names` knows those built in too, whether or not somebody has asked for them."""

    database: Database

    def get(self, name: str) -> Row | None:
        """Look a data set up: its newest version."""
        query = VERSION.where(dataset_versions.c.dataset == name).order_by(_NEWEST_FIRST).limit(1)
        with self.database.reader.connect() as connection:
            return connection.execute(query).one_or_none()

    def ready(self, name: str | None = None) -> dict[str, Row]:
        """Give the newest version that is ready of each data set, or of this one, if there is one."""
        its = dataset_versions.c.state == "ready"
        if name is not None:
            its &= dataset_versions.c.dataset == name
        newest = select(dataset_versions.c.dataset, func.max(dataset_versions.c.version)).where(its)
        with self.database.reader.connect() as connection:
            return {row.dataset: row for row in connection.execute(_those(newest))}

    def version(self, name: str, version: int) -> Row | None:
        """Look a version up."""
        with self.database.reader.connect() as connection:
            return version_of(connection, name, version)

    def versions(self, name: str, *, before: int | None = None, limit: int) -> Sequence[Row]:
        """List versions, the newest first; only those with a lower number than `before`, if given."""
        query = VERSION.where(dataset_versions.c.dataset == name).order_by(_NEWEST_FIRST).limit(limit)
        if before is not None:
            query = query.where(dataset_versions.c.version < before)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def all(self) -> Sequence[Row]:
        """List the data sets by name: the newest version of each."""
        query = _those(select(dataset_versions.c.dataset, func.max(dataset_versions.c.version)))
        with self.database.reader.connect() as connection:
            return connection.execute(query.order_by(dataset_versions.c.dataset)).all()

    def names(self) -> set[str]:
        """Give all that a job may name as its data: data sets and their versions."""
        with self.database.reader.connect() as connection:
            rows = connection.execute(select(dataset_versions.c.dataset, dataset_versions.c.version)).all()
        uploaded = {row.dataset for row in rows} | {f"{row.dataset}/{row.version}" for row in rows}
        return {*BUILTIN, *(f"{name}/1" for name in BUILTIN), *uploaded}

    def ask_for(self, name: str) -> None:
        """Have what is built in read by a worker, if it never was, or could not be had."""
        with self.database.writer.begin() as connection:
            _lock(connection, name, "builtin")
            row = version_of(connection, name, 1)
            if row is None:
                _insert(connection, name, options={})
            elif row.state in {"failed", "cancelled"}:
                begin(connection, row)

    def add(
        self,
        name: str,
        file: File,
        sent_as: str | None,
        options: Mapping[str, Any],
        *,
        append: bool = False,
        key: Key | None = None,
        upload_id: str | None = None,
    ) -> tuple[Row, bool]:
        """Add a version that waits to be read, unless one has these bytes and options; gives it, and if it is new.

        `options` are those that were given; with those of the version before they are the ones that hold, and a null
        takes one back. With `append` its examples follow those of the newest version that is ready, if there is one.
        Under a key it is done once: raises Repeated, and KeyReused; and DataNotReady where nothing can be appended yet.
        A file that is an upload's is then the version's as well; raises NoSuchUpload if that has been ended.
        """
        with self.database.writer.begin() as connection:
            if upload_id is not None:
                # Who used it just before may have let it point to an equal file, and removed this one.
                file = replace(file, key=hold(connection, upload_id).key)
            _lock(connection, name, "upload")
            before = VERSION.where(dataset_versions.c.dataset == name).order_by(_NEWEST_FIRST)
            rows = connection.execute(before).all()
            if append and (has := growth.has_already(connection, name, rows, file.sha256, options)) is not None:
                claim(connection, key)
                return keep(connection, key, (has, False))
            base = growth.base_among(name, rows) if append else None
            # Those with which a file could not be read are no good for the next.
            last: Mapping[str, Any] = next((row.options for row in rows if row.state in {"reading", "ready"}), {})
            holding = effective(options, last if base is None else base.options)
            for row in rows if base is None else ():
                if is_same(row, file.sha256, holding, None):
                    claim(connection, key)
                    return keep(connection, key, (row, False))
            claim(connection, key)
            if upload_id is None:
                require_bytes(connection, file.size)
            about = {"file_sha256": file.sha256, "file_name": sent_as, "file_size": file.size}
            number = _insert(connection, name, base, options=holding, **about)
            publish(connection, owners.of_data(name, number), [file])
            return keep(connection, key, (_there(connection, name, number), True))

    def holding(self, name: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options that would hold for the next version of a data set, or for one of none, by those given."""
        its = (dataset_versions.c.dataset == name, dataset_versions.c.state.in_({"reading", "ready"}))
        with self.database.reader.connect() as connection:
            newest = connection.execute(VERSION.where(*its).order_by(_NEWEST_FIRST).limit(1)).one_or_none()
        return effective(given, {} if newest is None else newest.options)

    def read_again(
        self, name: str, version: int, options: Mapping[str, Any], *, key: Key | None = None
    ) -> tuple[Row, bool]:
        """Add a version of the file of another that waits to be read, as `add` does.

        Of one that was appended the examples follow those of the same version again. Raises NoSuchData, FileNotKept
        where the file as it was sent is not there, and BaseNotThere.
        """
        with self.database.writer.begin() as connection:
            _lock(connection, name, "upload")
            row = version_of(connection, name, version)
            if row is None:
                raise NoSuchData(f"{name}/{version}")
            if row.file_sha256 is None:
                raise FileNotKept(name, version)
            base = None if row.appended_to is None else version_of(connection, name, row.appended_to)
            if row.appended_to is not None and base is None:
                raise BaseNotThere(name, version, row.appended_to, row.state == "ready")
            holding = effective(options, row.options)
            claim(connection, key)
            for other in connection.execute(VERSION.where(dataset_versions.c.dataset == name)).all():
                if is_same(other, row.file_sha256, holding, row.appended_to):
                    return keep(connection, key, (other, False))
            about = {"file_sha256": row.file_sha256, "file_name": row.file_name, "file_size": row.file_size}
            number = _insert(connection, name, base, options=holding, **about)
            if not share(connection, owners.of_data(name, version), owners.of_data(name, number), {SENT: SENT}):
                raise FileNotKept(name, version)
            return keep(connection, key, (_there(connection, name, number), True))

    def cancel(self, name: str, version: int, *, key: Key | None = None) -> Row | None:
        """Cancel the reading of a version, or ask the worker that reads it to stop; gives it as it is then.

        Raises ReadingEnded when it is ready or has failed.
        """
        with self.database.writer.begin() as connection:
            row = locked(connection, own(name, version)).one_or_none()
            if row is None:
                return None
            if row.state in {"ready", "failed"}:
                raise ReadingEnded(name, version, row.state)
            claim(connection, key)
            if row.state == "reading" and row.owner is None:
                end(connection, row, "cancelled", faults=[CANCELLED])
            elif row.state == "reading":
                connection.execute(update(dataset_versions).where(this(row)).values(cancel_requested=True))
            return keep(connection, key, _there(connection, name, version))

    def delete(self, name: str, version: int | None = None) -> list[str] | None:
        """Delete a version, or all of a data set; gives the keys of files that nothing points to any more.

        Gives None when there is none. Raises DatasetInUse while a job that has not ended needs it, and BaseInUse while
        what is appended to it is being read; from then on that has its examples itself.
        """
        with self.database.writer.begin() as connection:
            locked(connection, select(datasets.c.name).where(datasets.c.name == name))
            its = dataset_versions.c.dataset == name
            needed = (jobs.c.dataset == name) & jobs.c.state.not_in(FINAL_STATES)
            if version is not None:
                its &= dataset_versions.c.version == version
                needed &= jobs.c.dataset_version == version
            of = (dataset_versions.c.version, dataset_versions.c.account)
            rows = locked(connection, select(*of).where(its).order_by(dataset_versions.c.version)).all()
            if not rows:
                return None
            job_id = connection.scalar(select(jobs.c.id).where(needed).order_by(jobs.c.number).limit(1))
            if job_id is not None:
                raise DatasetInUse(name if version is None else f"{name}/{version}", job_id)
            if version is not None and (by := growth.reads_onto(connection, name, version)) is not None:
                raise BaseInUse(name, version, by)
            connection.execute(delete(dataset_versions).where(its))
            for row in rows:
                log_deletion(connection, row.account, "data.deleted", dataset=name, version=row.version)
            growth.forget(connection, name)
            if version is None:
                forget(connection, "dataset", name)
            note(connection, "dataset.delete", name if version is None else f"{name}/{version}")
            return withdraw_all(connection, [owners.of_data(name, row.version) for row in rows])

    def learned(self, name: str, version: int, *, after: tuple[str, int] | None, limit: int) -> Sequence[Row]:
        """List the versions of models that learned from a version, by name and number."""
        named = [versions.c.dataset == f"{name}/{version}"]
        if version == 1:
            # Jobs from before named no version: what they learned from became the first, if it is still the same.
            first = (dataset_versions.c.dataset == name) & (dataset_versions.c.version == 1)
            digest = select(dataset_versions.c.sha256).where(first).scalar_subquery()
            named.append((versions.c.dataset == name) & (versions.c.data_sha256 == digest))
        with self.database.reader.connect() as connection:
            return in_order(connection, named, after=after, limit=limit)

    def events(self, name: str, version: int, *, after: int = 0, limit: int = 1000) -> Sequence[Row]:
        """List what happened to a version, in order; only events whose number is above `after`."""
        its = (events.c.dataset == name) & (events.c.version == version)
        query = select(events).where(its, events.c.number > after)
        with self.database.reader.connect() as connection:
            return connection.execute(query.order_by(events.c.number).limit(limit)).all()


def is_same(row: Row, file_sha256: str, options: Mapping[str, Any], appended_to: int | None) -> bool:
    """Whether a version is what comes of a file that is read with these options, if it was not in vain."""
    is_alike = row.file_sha256 == file_sha256 and row.options == options and row.appended_to == appended_to
    return is_alike and row.state in {"reading", "ready"}


def _those(newest: Select[Any]) -> Select[Any]:
    """Select the versions whose numbers these are, one of each data set."""
    numbers = newest.group_by(dataset_versions.c.dataset).subquery("newest")
    same = (dataset_versions.c.dataset == numbers.c[0]) & (dataset_versions.c.version == numbers.c[1])
    return VERSION.join(numbers, same)


def _there(connection: Connection, name: str, version: int) -> Row:
    return connection.execute(by_number(name, version)).one()


def _lock(connection: Connection, name: str, source: str) -> None:
    """Keep others from adding versions to a data set, which is made if it is not there."""
    new = insert_or(connection, datasets).values(name=name, source=source, newest=0, created_at=now_ms())
    connection.execute(new.on_conflict_do_nothing(index_elements=["account", "name"]))
    locked(connection, select(datasets.c.name).where(datasets.c.name == name))


def _insert(
    connection: Connection, name: str, base: Row | None = None, *, options: Mapping[str, Any], **about: Any
) -> int:
    """Insert the next version of a data set that is locked, which is appended to `base` if any; gives its number."""
    number = connection.scalar(
        update(datasets)
        .where(datasets.c.name == name)
        .values(newest=datasets.c.newest + 1)
        .returning(datasets.c.newest)
    )
    assert number is not None, "its row is locked"
    values: dict[str, Any] = {"state": "reading", "options": dict(options), "faults": []}
    values |= {"progress": dict(NOTHING_READ), "attempt": 0, "fruitless_attempts": 0, "cancel_requested": False}
    times = {"created_at": now_ms(), "changed_at": now_ms(), "rung_at": now_ms()}
    appended_to = None if base is None else base.version
    row = insert(dataset_versions).values(dataset=name, version=number, **values, **times, **about)
    connection.execute(row.values(appended_to=appended_to))
    if "file_sha256" in about:
        growth.note(connection, name, number, appended_to, about["file_sha256"], options)
    log(connection, name, number, "reading", {} if base is None else {"appended_to": f"{name}/{appended_to}"})
    return int(number)
