"""Statements are bound to the account for which they are asked: each owned table in them, wherever it stands.

A connection that acts for an account adds `account = ...` to each SELECT, UPDATE and DELETE as it is compiled, once for
each form of a statement, and the value to every INSERT. What still binds no account, a text say, is refused before it
is sent; so is a statement that acts for nobody and looks something up by a name, which means nothing without its
account. Workers claim across accounts by ids, and then act for the account of what they have claimed.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Engine, Select, String, Table, Update, and_, bindparam, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import Alias, FromGrouping, Join
from sqlalchemy.util import LRUCache

from service.access.account_limits import Limits
from service.store.binding import unbound
from service.store.job_ids import asking
from service.store.shared_columns import ACCOUNT, ACTOR, EVERYONE, Unbound, metadata

_BY_ID = frozenset({"sweeps", "jobs", "events", "uploads", "evaluations"})
"""Owned tables whose ids are random: who has one has been given it, or claims it."""


def account_of(connection: Connection) -> str | None:
    """Give the account for which a connection acts, if it acts for one."""
    account: str | None = connection.get_execution_options().get(ACCOUNT)
    return None if account == EVERYONE else account


def actor_of(connection: Connection) -> str | None:
    """Give the key by which a connection acts, if it does by one."""
    actor: str | None = connection.get_execution_options().get(ACTOR)
    return actor


def limits_of(connection: Connection) -> Limits | None:
    """Give what the account for which a connection acts may take, if that is limited."""
    limits: Limits | None = connection.get_execution_options().get(LIMITS)
    return limits


LIMITS = "limits"
"""The option of connections that act for an account whose use is limited."""

Compiled = tuple[LRUCache[Any, Any], LRUCache[Any, Any]]
"""Statements as they are written for one account, and for all of them."""


def caches() -> Compiled:
    """Give what keeps them, as many as an engine does."""
    return LRUCache(500), LRUCache(500)


_ITS = bindparam("asking_account", callable_=lambda: asking.account, type_=String)


def guard(engine: Engine) -> Engine:
    """Have the statements of an engine bound, and those refused that are not; gives it."""
    engine.dialect.is_guarded = True  # type: ignore[attr-defined]

    @event.listens_for(engine, "before_execute")
    def note(connection: Connection, *_: object) -> None:
        account = connection.get_execution_options().get(ACCOUNT)
        asking.account = None if account == EVERYONE else account

    @event.listens_for(engine, "before_cursor_execute")
    def require(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        account = connection.get_execution_options().get(ACCOUNT)
        if account == EVERYONE:
            return
        if missing := unbound(statement, owned(), frozenset() if account else _BY_ID):
            raise Unbound(f"{missing}: {statement}")

    return engine


@lru_cache(maxsize=1)
def owned() -> frozenset[str]:
    """Give the names of the tables that belong to accounts."""
    return frozenset(table.name for table in metadata.tables.values() if _is_owned(table))


def _is_owned(table: Table) -> bool:
    return ACCOUNT in table.c and table.c.account.default is not None


def _bound(query: Select[Any]) -> Select[Any]:
    """Bind all places of a query's own FROM; those of queries within it are bound when their turn comes.

    What is joined in and need not be there is bound where it is joined: as a condition of the whole query it would let
    nothing pass for which it is not there.
    """
    query = query._clone()  # its parts are changed below: there is no public way to give a query another FROM
    within: list[Any] = []  # bound where they are joined
    query._from_obj = tuple(_joined(each, within)[0] for each in query._from_obj)
    query._setup_joins = tuple(_set_up(each, within) for each in query._setup_joins)
    places = dict.fromkeys(place for child in query.get_children() for place in _places(child))
    return query.where(*_its(place for place in places if place not in within))


_FULL = "a full join has rows of both sides that no condition can bind; two queries can be"


def _joined(part: Any, within: list[Any]) -> tuple[Any, list[Any]]:
    """Give a part of a FROM with what may be missing in it bound, and the places that are left to be bound outside."""
    if isinstance(part, FromGrouping):
        part = part.element
    if not isinstance(part, Join):
        return part, _places(part)
    (left, lefts), (right, rights) = _joined(part.left, within), _joined(part.right, within)
    if part.full:
        raise Unbound(f"{part}: {_FULL}")
    if not part.isouter:
        is_as_it_was = left is part.left and right is part.right
        return part if is_as_it_was else Join(left, right, part.onclause), lefts + rights
    within += rights
    return Join(left, right, _together(part.onclause, rights), isouter=True), lefts


def _set_up(join: tuple[Any, Any, Any, Any], within: list[Any]) -> tuple[Any, Any, Any, Any]:
    """Bind what a query's own `join` brings in, as `_joined` does."""
    right, on, left, how = join
    right, rights = _joined(right, within)
    if how["full"]:
        raise Unbound(f"{right}: {_FULL}")
    if not how["isouter"] or not rights:
        return right, on, left, how
    if on is None:
        raise Unbound(f"{right}: an outer join has to say on what, so that it can be bound there")
    within += rights
    return right, _together(on, rights), left, how


def _together(on: Any, places: Iterable[Any]) -> ColumnElement[bool]:
    return and_(on, *_its(places))


def _its(places: Iterable[Any]) -> list[ColumnElement[bool]]:
    return [place.c.account == _ITS for place in places]


def _places(child: object) -> list[Any]:
    """Give the owned tables that a part of a FROM has, by the names that they have there."""
    if isinstance(child, FromGrouping):
        return _places(child.element)
    if isinstance(child, Join):
        return [*_places(child.left), *_places(child.right)]
    table = child.element if isinstance(child, Alias) else child
    return [child] if isinstance(table, Table) and _is_owned(table) else []


def _binds(compiler: Any) -> bool:
    """Whether a statement is compiled for an account; other engines of this program are none of ours."""
    return asking.account is not None and getattr(compiler.dialect, "is_guarded", False)


@compiles(Select)
def _select(query: Select[Any], compiler: Any, **how: Any) -> Any:
    return compiler.visit_select(_bound(query) if _binds(compiler) else query, **how)


@compiles(Update)
def _update(change: Update, compiler: Any, **how: Any) -> Any:
    return compiler.visit_update(_changed(change) if _binds(compiler) else change, **how)


@compiles(Delete)
def _delete(removal: Delete, compiler: Any, **how: Any) -> Any:
    return compiler.visit_delete(_changed(removal) if _binds(compiler) else removal, **how)


def _changed(change: Any) -> Any:
    return change.where(*_its(_places(change.table)))
