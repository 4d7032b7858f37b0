"""Aliases: what they point to, moved and rolled back, and what they pointed to before.

Whoever moves an alias has locked the row of its model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from service.store import happenings
from service.store.audit import note
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import NoSuchVersion, NothingBefore, WrongRevision
from service.store.events import log_of_model
from service.store.keys import Key, claim, keep
from service.store.tables import aliases, models, moves, versions

CHAMPION = "champion"
"""The alias that answers for its model."""

_BY_HAND = {"set", "deleted", "rolled_back"}
"""Why an alias was moved of which no job tells."""

Targets = dict[str, Any]
"""What an alias points to: `versions`, the share of the requests of each by its number, and perhaps a `shadow`."""


def alone(version: int) -> Targets:
    """Give the targets of an alias that points to one version."""
    return {"versions": {str(version): 1.0}}


def numbers_in(targets: Targets) -> set[int]:
    """Give the numbers of all versions among targets."""
    shadow = [targets["shadow"]] if "shadow" in targets else []
    return {int(number) for number in [*targets["versions"], *shadow]}


def alias_of(connection: Connection, model: str, alias: str) -> Row | None:
    """Look an alias up."""
    query = select(aliases).where(aliases.c.model == model, aliases.c.alias == alias)
    return connection.execute(query).one_or_none()


def move(connection: Connection, model: str, alias: str, targets: Targets | None, *, why: str) -> None:
    """Let an alias point elsewhere, or be gone (None), and note it. Whoever calls this has locked the model's row."""
    before = alias_of(connection, model, alias)
    this = (moves.c.model == model) & (moves.c.alias == alias)
    # Counted on after an alias was deleted: a revision never means two things.
    revision = (connection.scalar(select(func.max(moves.c.revision)).where(this)) or 0) + 1
    connection.execute(
        insert(moves).values(
            model=model,
            alias=alias,
            revision=revision,
            before=None if before is None else before.targets,
            after=targets,
            why=why,
            moved_at=now_ms(),
        )
    )
    moved = {"revision": revision, "before": before and before.targets, "after": targets, "why": why}
    happenings.of_alias(connection, model, alias, moved)
    if why in _BY_HAND:
        told = {"alias": alias, "revision": revision, "why": why, "targets": targets}
        log_of_model(connection, model, "alias.moved", {**told, "targets_before": before and before.targets})
    note(connection, "alias.move", f"{model}@{alias}", {"after": targets, "why": why})
    key = (aliases.c.model == model) & (aliases.c.alias == alias)
    if targets is None:
        connection.execute(delete(aliases).where(key))
        return
    values = {"targets": targets, "revision": revision, "changed_at": now_ms()}
    if before is None:
        connection.execute(insert(aliases).values(model=model, alias=alias, **values))
    else:
        connection.execute(update(aliases).where(key).values(values))


@dataclass(frozen=True)
class Condition:
    """What must hold for an alias to be moved: its revision is one of these, or none of those, it is there, or not.

    That it is there and is not there may be asked for as well; this never holds.
    """

    revisions: frozenset[int] | None = None
    other_than: frozenset[int] = frozenset()
    is_there: bool = False
    is_new: bool = False

    def require(self, model: str, alias: str, row: Row | None) -> None:
        """Raise WrongRevision unless it holds of an alias, which stands in this row."""
        revision = None if row is None else int(row.revision)
        holds = (
            (self.revisions is None or revision in self.revisions)
            and revision not in self.other_than
            and not (self.is_there and row is None)
            and not (self.is_new and row is not None)
        )
        if not holds:
            raise WrongRevision(model, alias, revision)


ALWAYS = Condition()


@dataclass(frozen=True)
class Aliases:
    """The aliases of the models of a database."""

    database: Database

    def all(self, model: str | None = None) -> Sequence[Row]:
        """List the aliases of a model, or of all, by name."""
        query = select(aliases).order_by(aliases.c.model, aliases.c.alias)
        if model is not None:
            query = query.where(aliases.c.model == model)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def get(self, model: str, alias: str) -> Row | None:
        """Look an alias up."""
        with self.database.reader.connect() as connection:
            return alias_of(connection, model, alias)

    def history(self, model: str, *, limit: int) -> Sequence[Row]:
        """List the moves of a model's aliases, the newest first."""
        query = select(moves).where(moves.c.model == model).order_by(moves.c.moved_at.desc(), moves.c.revision.desc())
        with self.database.reader.connect() as connection:
            return connection.execute(query.limit(limit)).all()

    def named_jobs(self) -> set[str]:
        """Give the ids of the jobs that made the versions to which aliases point."""
        with self.database.reader.connect() as connection:
            named = {
                (row.account, row.model, number)
                for row in connection.execute(select(aliases)).all()
                for number in numbers_in(row.targets)
            }
            key = (versions.c.account, versions.c.model, versions.c.version)
            rows = connection.execute(select(*key, versions.c.job_id).where(versions.c.job_id.is_not(None))).all()
        return {job_id for *key_of, job_id in rows if tuple(key_of) in named}

    def point(
        self, model: str, alias: str, targets: Targets, condition: Condition = ALWAYS, *, key: Key | None = None
    ) -> tuple[Row, bool]:
        """Let an alias point to versions; gives it, and whether it is new. To where it points already is no move.

        Raises WrongRevision, and NoSuchVersion. Under a key it is done once: raises Repeated, and KeyReused.
        """
        with self.database.writer.begin() as connection:
            locked(connection, select(models).where(models.c.name == model))
            claim(connection, key)
            before = alias_of(connection, model, alias)
            condition.require(model, alias, before)
            if missing := numbers_in(targets) - _numbers(connection, model):
                raise NoSuchVersion(model, min(missing))
            if before is None or before.targets != targets:
                move(connection, model, alias, targets, why="set")
            after = alias_of(connection, model, alias)
            assert after is not None
            return keep(connection, key, (after, before is None))

    def delete(self, model: str, alias: str, condition: Condition = ALWAYS) -> bool:
        """Delete an alias; gives whether it was there. Raises WrongRevision."""
        with self.database.writer.begin() as connection:
            locked(connection, select(models).where(models.c.name == model))
            before = alias_of(connection, model, alias)
            condition.require(model, alias, before)
            if before is not None:
                move(connection, model, alias, None, why="deleted")
            return before is not None

    def roll_back(self, model: str, alias: str, condition: Condition = ALWAYS, *, key: Key | None = None) -> Row | None:
        """Let an alias point to what it pointed to before; gives it, or None when there is none of that name.

        Rolled back again, it goes back one more. What points to a version that was deleted is passed over, and a shadow
        that was deleted is left out. Raises WrongRevision, and NothingBefore. Under a key as `point`.
        """
        with self.database.writer.begin() as connection:
            locked(connection, select(models).where(models.c.name == model))
            now = alias_of(connection, model, alias)
            if now is not None:
                claim(connection, key)
            condition.require(model, alias, now)
            if now is None:
                return None
            numbers = _numbers(connection, model)
            for targets in reversed(_stood_below(connection, model, alias)):
                if numbers_in(_answering(targets)) <= numbers:
                    is_whole = numbers_in(targets) <= numbers
                    move(connection, model, alias, targets if is_whole else _answering(targets), why="rolled_back")
                    return keep(connection, key, alias_of(connection, model, alias))
            raise NothingBefore(model, alias)


def _numbers(connection: Connection, model: str) -> set[int]:
    """Give the numbers of the versions of a model that are there."""
    return set(connection.scalars(select(versions.c.version).where(versions.c.model == model)))


def _answering(targets: Targets) -> Targets:
    """Give targets without their shadow."""
    return {"versions": targets["versions"]}


def _stood_below(connection: Connection, model: str, alias: str) -> list[Targets]:
    """Give what an alias may be rolled back to, the last the nearest: what it pointed to, less what was taken back."""
    query = select(moves.c.after, moves.c.why).where(moves.c.model == model, moves.c.alias == alias)
    stack: list[Targets] = []
    for row in connection.execute(query.order_by(moves.c.revision)).all():
        if row.after is None:
            stack.clear()
        elif row.why == "rolled_back":
            stack.pop()
            # Versions that had been deleted were passed over, and shadows left out.
            while stack[-1] != row.after and _answering(stack[-1]) != row.after:
                stack.pop()
        else:
            stack.append(row.after)
    return stack[:-1]
