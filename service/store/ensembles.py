"""Versions that are made of several others, whose networks answer together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from service.store import owners
from service.store.engine import Database, Row, insert_or, locked, now_ms
from service.store.errors import MemberGone
from service.store.files import share
from service.store.promotion import Promotion
from service.store.tables import jobs, models, versions
from service.store.versions import WEIGHTS, Findings, next_number, put, version_of, weights_of

Member = tuple[str, int]
"""A version: the name of its model, and its number."""


@dataclass(frozen=True)
class Ensembles:
    """The ensembles of a database."""

    database: Database

    def of_sweep(self, sweep_id: str) -> Sequence[Row]:
        """List the versions that the trials of a sweep have become, the most accurate first."""
        query = select(versions).join(jobs, jobs.c.id == versions.c.job_id).where(jobs.c.sweep_id == sweep_id)
        with self.database.reader.connect() as connection:
            return connection.execute(query.order_by(versions.c.val_accuracy.desc(), jobs.c.trial)).all()

    def find(self, model: str, members: Sequence[Member]) -> Row | None:
        """Look up the version of a model that is made of these members, whatever their order."""
        with self.database.reader.connect() as connection:
            return _made_of(connection, model, sorted(members))

    def make(
        self,
        model: str,
        members: Sequence[Member],
        findings: Findings,
        *,
        val_accuracy: float | None,
        promotion: Promotion,
    ) -> bool:
        """Make the next version of a model of several; gives False where there is one of the same members by now.

        It points to the members' weights by itself: they stay when a member is deleted. Raises MemberGone.
        """
        members = sorted(members)
        with self.database.writer.begin() as connection:
            _lock(connection, {model, *(name for name, _ in members)})
            if _made_of(connection, model, members) is not None:
                return False
            rows = [version_of(connection, *member) for member in members]
            number = next_number(connection, model)
            owner = owners.of_version(model, number)
            for place, (member, row) in enumerate(zip(members, rows, strict=True), start=1):
                if row is None or not share(
                    connection, owners.of_version(*member), owner, {WEIGHTS: weights_of(place)}
                ):
                    raise MemberGone(f"model {member[0]} has no version {member[1]} any more")
            assert rows[0] is not None, "the first is there, as all are"
            digests = "".join(row.weights_sha256 for row in rows if row is not None)
            values = {
                "job_id": None,
                "spec": rows[0].spec,
                "members": [{"model": name, "version": version} for name, version in members],
                "epoch": None,
                "weights_sha256": hashlib.sha256(digests.encode()).hexdigest(),
                "val_accuracy": val_accuracy,
            }
            put(connection, model, number, values, findings, promotion)
            return True


def _lock(connection: Connection, names: set[str]) -> None:
    """Keep others from changing what belongs to these models, the last of which may be new; in the order of names."""
    for name in sorted(names):
        new = insert_or(connection, models).values(name=name, newest=0, created_at=now_ms())
        connection.execute(new.on_conflict_do_nothing(index_elements=["account", "name"]))
        locked(connection, select(models.c.name).where(models.c.name == name))


def _made_of(connection: Connection, model: str, members: Sequence[Member]) -> Row | None:
    query = select(versions).where(versions.c.model == model, versions.c.members.is_not(None))
    for row in connection.execute(query.order_by(versions.c.version.desc())).all():
        if [(its["model"], its["version"]) for its in row.members] == list(members):
            return row
    return None
