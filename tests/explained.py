"""What asking a database costs: rows that it looks at, and large tables that it reads whole."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, event

from service.store.postings import read_along_indices
from service.store.store import Store

LARGE = {"jobs", "postings", "versions", "evaluations", "events"}


def looked_at(store: Store, read: Callable[[], object]) -> tuple[int, set[str]]:
    """Give what a page made the database do, in rows or in steps of SQLite's machine, and large tables read whole."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(store.database.writer, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(store.database.writer, "before_cursor_execute", note)
    cost, whole = 0, set[str]()
    with store.database.reader.connect() as connection:
        read_along_indices(connection)
        explained = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "WITH")) and "set_config" not in statement:
                its_cost, scanned = explained(connection, statement, parameters)
                cost, whole = cost + its_cost, whole | scanned & LARGE
    return cost, whole


def _on_sqlite(connection: Connection, statement: str, parameters: Any) -> tuple[int, set[str]]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    scanned = {found[1] for row in plan if (found := re.fullmatch(r"SCAN (\w+)", row.detail))}
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 10

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 10)
    connection.exec_driver_sql(statement, parameters).all()
    driver.set_progress_handler(None, 0)
    return steps // 20, scanned  # about as many steps as it takes to read a row of an index


def _on_postgresql(connection: Connection, statement: str, parameters: Any) -> tuple[int, set[str]]:
    (told,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    nodes = list(_nodes(told["Plan"]))
    names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    leaves = [node for node in nodes if "Plans" not in node]
    rows = sum(sum(node.get(name, 0) for name in names) * node["Actual Loops"] for node in leaves)
    return int(rows), {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
