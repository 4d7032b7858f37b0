"""Whether there are newer events, asked again and again of the driver itself: at a tenth of what a query costs."""

from contextlib import suppress
from typing import Any

from service.store.engine import Database

_QUERY = "SELECT 1 FROM events WHERE number > {} LIMIT 1"


class Probe:
    """Asks over a connection of its own, which is none of the pool's."""

    def __init__(self, database: Database) -> None:
        self._engine = database.reader
        self._connection: Any = None
        self._query = _QUERY.format("?" if database.file is not None else "%s")
        self._errors: type[Exception] = self._engine.dialect.loaded_dbapi.Error

    def may_be_newer_than(self, number: int) -> bool:
        """Whether there may be an event with a greater number; true as well if the database does not say now."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            # All that it gives: a cursor that could go on would hold a lock.
            return bool(self._connection.execute(self._query, (number,)).fetchall())
        except self._errors:  # whoever then asks as everybody does takes a turn, and is told what is wrong
            self.close()
            return True

    def _connect(self) -> Any:
        pooled = self._engine.raw_connection()
        driver: Any = pooled.driver_connection
        pooled.detach()
        if self._engine.dialect.name == "postgresql":
            driver.autocommit = True
        else:
            # Who commits is not waited for here, where that has no order, but in a turn.
            driver.execute("PRAGMA busy_timeout = 0")
        return driver

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(self._errors):
                self._connection.close()
            self._connection = None
