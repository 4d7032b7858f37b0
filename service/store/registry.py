"""Models and their versions as clients see them: listed, looked at, deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from service.store import owners
from service.store.aliases import move, numbers_in
from service.store.audit import note
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import ModelInUse, VersionInUse
from service.store.files import withdraw_all
from service.store.grants import forget
from service.store.promotion import Promotion
from service.store.states import FINAL_STATES, JOB
from service.store.tables import aliases, decisions, jobs, models, versions
from service.store.versions import Findings, adopt, adopted, champion_of, version_of

_THERE = models.c.deleted_at.is_(None)


@dataclass(frozen=True)
class Models:
    """The models of a database."""

    database: Database

    def all(self) -> Sequence[Row]:
        """List the models by name."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(models).where(_THERE).order_by(models.c.name)).all()

    def get(self, model: str) -> Row | None:
        """Look a model up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(models).where(models.c.name == model, _THERE)).one_or_none()

    def versions(self, model: str, *, before: int | None = None, limit: int) -> Sequence[Row]:
        """List versions, the newest first; only those with a lower number than `before`, if given."""
        query = select(versions).where(versions.c.model == model).order_by(versions.c.version.desc()).limit(limit)
        if before is not None:
            query = query.where(versions.c.version < before)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def version(self, model: str, version: int) -> Row | None:
        """Look a version up."""
        with self.database.reader.connect() as connection:
            return version_of(connection, model, version)

    def numbers(self, model: str) -> Sequence[int]:
        """List the numbers of all versions of a model."""
        with self.database.reader.connect() as connection:
            return connection.scalars(select(versions.c.version).where(versions.c.model == model)).all()

    def made_of(self, job_id: str) -> Row | None:
        """Look up the version that a job became; the newest one, should there be several."""
        query = select(versions).where(versions.c.job_id == job_id).order_by(versions.c.created_at.desc()).limit(1)
        with self.database.reader.connect() as connection:
            return connection.execute(query).one_or_none()

    def champion(self, model: str) -> Row | None:
        """Look up the version that answers for a model, or for most of its requests, if its alias is set."""
        with self.database.reader.connect() as connection:
            return champion_of(connection, model)

    def decisions(self, model: str, *, limit: int) -> Sequence[Row]:
        """List what was decided on new versions, whether they were promoted and why not, the newest first."""
        query = select(decisions).where(decisions.c.model == model).order_by(decisions.c.number.desc()).limit(limit)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def adopted(self, model: str, job_id: str, weights_sha256: str) -> Row | None:
        """Look up the version of a model that these weights of a job are, if they are one."""
        with self.database.reader.connect() as connection:
            return adopted(connection, model, job_id, weights_sha256)

    def adopt(self, model: str, job_id: str, checkpoint: str, findings: Findings, promotion: Promotion) -> int | None:
        """Make a checkpoint of a job that has ended a version of a model; gives its number, also if it was one before.

        None where the job, or its checkpoint, is not there any more. Raises ChampionChanged.
        """
        with self.database.writer.begin() as connection:
            job = locked(connection, select(*JOB).where(jobs.c.id == job_id)).one_or_none()
            if job is None or job.state not in FINAL_STATES:
                return None
            return adopt(connection, job, checkpoint, model, findings, promotion)

    def delete_all(self, model: str, *, force: bool) -> list[str] | None:
        """Delete a model with its versions; gives the keys of files that nothing points to any more.

        None when it is not there. What was decided and moved stays on record, and its numbers are not given again: a
        model of this name goes on with the next. Raises ModelInUse while it has aliases, which `force` deletes too.
        """
        with self.database.writer.begin() as connection:
            row = locked(connection, select(models).where(models.c.name == model, _THERE)).one_or_none()
            if row is None:
                return None
            named = connection.scalars(select(aliases.c.alias).where(aliases.c.model == model).order_by("alias")).all()
            if named and not force:
                raise ModelInUse(model, tuple(named))
            for alias in named:
                move(connection, model, alias, None, why="deleted")
            gone = connection.scalars(delete(versions).where(versions.c.model == model).returning(versions.c.version))
            unreferenced = withdraw_all(connection, [owners.of_version(model, number) for number in gone.all()])
            connection.execute(update(models).where(models.c.name == model).values(deleted_at=now_ms()))
            forget(connection, "model", model)
            note(connection, "model.delete", model)
            return unreferenced

    def delete(self, model: str, version: int) -> list[str] | None:
        """Delete a version; gives the keys of files that nothing points to any more, or None when it is not there.

        Its number is not given again. Raises VersionInUse while an alias points to it.
        """
        with self.database.writer.begin() as connection:
            locked(connection, select(models).where(models.c.name == model))
            if version_of(connection, model, version) is None:
                return None
            for alias in connection.execute(select(aliases).where(aliases.c.model == model)).all():
                if version in numbers_in(alias.targets):
                    raise VersionInUse(model, version, alias.alias)
            this = (versions.c.model == model) & (versions.c.version == version)
            connection.execute(delete(versions).where(this))
            note(connection, "version.delete", f"{model}/{version}")
            return withdraw_all(connection, [owners.of_version(model, version)])
