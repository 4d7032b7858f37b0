"""Pages that a database needs no more are given back to the disk, bit by bit, while others read and write."""

from sqlalchemy import Engine

INCREMENTAL = 2  # of the pragma auto_vacuum: freed pages are given back when somebody asks
_PAGES_AT_A_TIME = 1000
_PAGES_WORTH_IT = 64


def give_back(engine: Engine, *, whole: bool) -> None:
    """Give back what is free of an SQLite database; of one from before it did so only with `whole`, written anew."""
    with engine.connect() as connection:
        driver = connection.connection.cursor()  # past our BEGIN: each of these is a transaction of its own
        bit_by_bit = driver.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL
        if not bit_by_bit and whole:
            driver.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}").execute("VACUUM")
        free = driver.execute("PRAGMA freelist_count").fetchone()[0] if bit_by_bit else 0
        for _ in range(0, free if free >= _PAGES_WORTH_IT else 0, _PAGES_AT_A_TIME):
            # As a script: the driver's execute stops after the first page.
            driver.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_A_TIME})")
        # What stands in a write-ahead log makes the file shorter once it is copied; without one this does nothing.
        driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
