"""Models and their versions as clients see them: listed, looked at, deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from service.store import owners
from service.store.aliases import numbers_in
from service.store.engine import Database, Row, locked
from service.store.errors import VersionInUse
from service.store.files import withdraw_all
from service.store.tables import aliases, models, versions
from service.store.versions import version_of


@dataclass(frozen=True)
class Models:
    """The models of a database."""

    database: Database

    def all(self) -> Sequence[Row]:
        """List the models by name."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(models).order_by(models.c.name)).all()

    def get(self, model: str) -> Row | None:
        """Look a model up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(models).where(models.c.name == model)).one_or_none()

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

    def made_of(self, job_id: str) -> Row | None:
        """Look up the version that a job became; the newest one, should there be several."""
        query = select(versions).where(versions.c.job_id == job_id).order_by(versions.c.created_at.desc()).limit(1)
        with self.database.reader.connect() as connection:
            return connection.execute(query).one_or_none()

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
            return withdraw_all(connection, [owners.of_version(model, version)])
