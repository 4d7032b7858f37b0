"""Lists by name, label and state, as an inverted index answers: rows are filed under words and pairs, in order.

A page costs what is on it, whatever else is on record: two words that are common, and never meet, have no pair. A row
of very many words is filed under each alone, for its pairs would take more room than itself. A term is 64 bits of a
hash of words; whoever reads a page by these compares the rows themselves too.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
    union_all,
)

from service.store.engine import Row
from service.store.posting_tables import postings, sweep_postings
from service.store.scoping import account_of
from service.store.shared_columns import DEFAULT

PAIRED = 6
"""A row of more words than these is filed under no pairs."""

_ALONE: tuple[str, ...] = ("",)
"""Comes before the word under which such a row is filed: those of few words are looked for by pairs."""

_COUNTED = 100
"""Rows of a term that are counted before it is called common."""
_RAREST = 5
_FILED_AT_ONCE = 500

_AT_ONCE = {
    postings.name: text(
        "INSERT INTO postings (term, state, number) SELECT * FROM "
        "unnest(CAST(:term AS BIGINT[]), CAST(:state AS VARCHAR[]), CAST(:number AS BIGINT[]))"
    ),
    sweep_postings.name: text(
        "INSERT INTO sweep_postings (term, number) SELECT * FROM "
        "unnest(CAST(:term AS BIGINT[]), CAST(:number AS BIGINT[]))"
    ),
}


def words_of(name: str | None, labels: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Give what a row is found by, in order: its labels, `key:value`, and its name, `:name`; no key has a colon."""
    words = {f"{key}:{value}" for key, value in labels}
    return tuple(sorted(words if name is None else {*words, f":{name}"}))


@lru_cache(maxsize=4096)
def term(*words: str, of: str = DEFAULT) -> int:
    """Give the number under which rows of an account are filed that have one word, or two in their order.

    It is 64 bits of their BLAKE2; each account has numbers of its own.
    """
    words = words if of == DEFAULT else (f"@{of}", *words)
    return int.from_bytes(blake2b("\n".join(words).encode(), digest_size=8).digest(), "big", signed=True)


def in_sweep(sweep_id: str, name: str) -> int:
    """Give the number under which the jobs of a sweep are filed that have a name: its trials may differ in it."""
    return term(sweep_id, f":{name}")  # ids are no other account's


def file_jobs(connection: Connection, numbers: Sequence[int], jobs: Sequence[Mapping[str, Any]]) -> None:
    """File new jobs that wait, each by its `name`, `labels` and `sweep_id`; labels are those of its sweep, if any."""
    for start in range(0, len(jobs), _FILED_AT_ONCE):
        some = slice(start, start + _FILED_AT_ONCE)
        rows = [
            {"term": its, "state": "queued", "number": number}
            for number, job in zip(numbers[some], jobs[some], strict=True)
            for its in _terms(job["name"], tuple(job["labels"].items()), job["sweep_id"], _whose(connection))
        ]
        _put(connection, postings, rows)


def file_sweep(connection: Connection, number: int, name: str | None, labels: Mapping[str, str]) -> None:
    """File a new sweep."""
    terms = _terms(name, tuple(labels.items()), None, _whose(connection))
    _put(connection, sweep_postings, [{"term": its, "number": number} for its in terms])


@lru_cache(maxsize=1024)
def _terms(name: str | None, labels: tuple[tuple[str, str], ...], sweep_id: str | None, whose: str) -> tuple[int, ...]:
    words = words_of(name, labels)
    alone, pairs = (_ALONE, ()) if len(words) > PAIRED else ((), combinations(words, 2))
    found = [*(term(*alone, word, of=whose) for word in words), *(term(*pair, of=whose) for pair in pairs)]
    if sweep_id is not None and name is not None:
        found.append(in_sweep(sweep_id, name))
    return tuple(dict.fromkeys(found))  # two words may have one hash: whoever wants to finds such


def _whose(connection: Connection) -> str:
    return account_of(connection) or DEFAULT


def _put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        # In one statement: sent one by one, the rows of a job took longer than the job.
        connection.execute(_AT_ONCE[table.name], {name: [row[name] for row in rows] for name in rows[0]})
    else:
        connection.execute(insert(table), rows)


Terms = Mapping[str, int]
"""The parameters of queries, by the names that these have for them."""


def filed_under(
    connection: Connection, table: Table, words: Sequence[str], states: tuple[str, ...] = ()
) -> tuple[list[Select[Any]], Terms]:
    """Select the numbers of rows that have all of at least one word; by state, if any are given, each in its order.

    Gives the terms that the queries are to be asked with as well.
    """
    ways = [_by_pairs(connection, table, words, states), _one_by_one(connection, table, words, states)]
    found = [
        _having(table, way, len(terms), state) for way, terms in enumerate(ways) if terms for state in states or (None,)
    ]
    return found, {_named(way, place): its for way, terms in enumerate(ways) for place, its in enumerate(terms)}


def _named(way: int, place: int) -> str:
    return f"term_{way}_{place}"


@lru_cache(maxsize=256)  # to build a query takes many times as long as to ask it
def _having(table: Table, way: int, terms: int, state: str | None) -> Select[Any]:
    """Select, in the order of the first term, the numbers that are filed under all."""
    first, *others = (bindparam(_named(way, place), type_=BigInteger) for place in range(terms))
    query = select(table.c.number).where(table.c.term == first)
    query = query if state is None else query.where(table.c.state == state)
    for other in others:
        has = table.alias()
        same = has.c.number == table.c.number
        same = same if state is None else same & (has.c.state == state)
        # Looked up for each of the first, as the offset says: PostgreSQL would begin with a term that is common.
        query = query.where(select(has.c.term).where(has.c.term == other, same).offset(0).exists())
    return query


def read_along_indices(connection: Connection) -> None:
    """Have a page of a list read in the order of an index, whatever PostgreSQL has counted of a table, or has not yet.

    It may take a label for rare that half of all jobs have, and gather and sort them for a page of twenty. It holds
    until the transaction ends. SQLite has no such ways.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONG_INDICES)


_OFF = (*(f"enable_{way}" for way in ("sort", "bitmapscan", "seqscan", "hashjoin", "mergejoin")), "jit")
_ALONG_INDICES = text("SELECT " + ", ".join(f"set_config('{name}', 'off', true)" for name in _OFF))


def read_newest(
    connection: Connection,
    sources: Sequence[Select[Any]],
    asked: Select[Any],
    number: ColumnElement[int],
    *,
    before: int | None,
    limit: int,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> Sequence[Row]:
    """Read a page of rows, the newest first, whose numbers come from queries that each give them in their order.

    They are compared with what was asked: a job may have moved on meanwhile, or have no more than the hash of a term.
    `given` are parameters of the queries.
    """
    found: list[Row] = []
    while sources and len(found) < limit:
        query = _newest(tuple(sources), is_begun=before is not None)
        numbers = connection.scalars(query, {**given, "before": before, "limit": limit}).all()
        found += connection.execute(asked.where(number.in_(numbers))).all()
        if len(numbers) < limit:
            break
        before = numbers[-1]
    return found[:limit]


@lru_cache(maxsize=256)
def _newest(sources: tuple[Select[Any], ...], *, is_begun: bool) -> Select[Any]:
    """Select the greatest of the numbers that queries give, each in its order."""
    before, limit = bindparam("before", type_=BigInteger), bindparam("limit", type_=Integer)
    parts = []
    for source in sources:
        (number,) = source.selected_columns
        part = source.where(number < before) if is_begun else source
        parts.append(part.order_by(number.desc()).limit(limit))
    if len(parts) == 1:
        return parts[0]
    # Each in a query of its own: only so may it have an order, and be cut.
    together = union_all(*(select(part.subquery().c.number) for part in parts)).subquery()
    return select(together.c.number).order_by(together.c.number.desc()).limit(limit)


def _by_pairs(connection: Connection, table: Table, words: Sequence[str], states: tuple[str, ...]) -> list[int]:
    """Give terms that together say all words, pair by pair, or none where no row has one of three or more.

    Few rows have the first, as far as a look at few tells.
    """
    words, whose = sorted(words), _whose(connection)
    if len(words) <= 2:
        return [term(*words, of=whose)]
    rare = _by_count(connection, table, [(word,) for word in words], states)[:_RAREST]
    if not rare[0][0]:
        return []
    pairs = list(combinations(sorted(word for _, (word,) in rare), 2))
    (_, first), *_ = _by_count(connection, table, pairs, states)
    rest = [word for word in words if word not in first]
    if len(rest) % 2:
        rest = sorted([*rest, first[0]])
    return [term(*pair, of=whose) for pair in [first, *(rest[place : place + 2] for place in range(0, len(rest), 2))]]


def _one_by_one(connection: Connection, table: Table, words: Sequence[str], states: tuple[str, ...]) -> list[int]:
    """Give the terms of rows that have too many words for pairs, the rarest first; none where no such row has one."""
    counted = _by_count(connection, table, [(*_ALONE, word) for word in words], states)
    return [term(*its, of=_whose(connection)) for _, its in counted] if counted[0][0] else []


def _by_count(
    connection: Connection, table: Table, each: Sequence[tuple[str, ...]], states: tuple[str, ...]
) -> list[tuple[int, tuple[str, ...]]]:
    """Count the rows filed under words, or pairs, and order these by it; those are equal that many have."""
    query = _counts(table, len(each), states[0] if len(states) == 1 else None)
    terms = {_named(place, 0): term(*its, of=_whose(connection)) for place, its in enumerate(each)}
    counts = connection.execute(query, terms).one()
    return sorted(zip(counts, each, strict=True))


@lru_cache(maxsize=256)
def _counts(table: Table, terms: int, state: str | None) -> Select[Any]:
    few = [_having(table, place, 1, state).limit(_COUNTED).subquery() for place in range(terms)]
    return select(*(select(func.count()).select_from(part).scalar_subquery() for part in few))
