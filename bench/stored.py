"""What a quota of stored bytes costs: the sum over an account's files, of which there are a million.

    python -m bench.stored [--files 1000000]

Tells, for each database, how long the sum takes that is asked for in the transaction of an upload, and how much longer
it takes to write down the files of an epoch where the index is there of which it is summed.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable
from statistics import median

from sqlalchemy import insert, text

from service.store.engine import Database
from service.store.files import File, publish
from service.store.quotas import stored_bytes
from service.store.tables import artifacts
from tests.postgres import postgres_server

ROUNDS, AT_A_TIME, OF_AN_EPOCH = 9, 20_000, 6
INDEX = "ix_artifacts_size_account"


def main() -> None:
    """Measure on both databases, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.stored", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="of the account (1,000,000)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenfold-stored-") as folder:
        _measure("SQLite", f"sqlite:///{folder}/record.db", asked.files)
        with postgres_server() as url:
            _measure("PostgreSQL", url, asked.files)


def _measure(name: str, url: str, files: int) -> None:
    database = Database.open(url).acting("default")
    with database.writer.begin() as connection:
        for begin in range(0, files, AT_A_TIME):
            numbers = range(begin, min(begin + AT_A_TIME, files))
            rows = [_row(f"jobs/{uuid.uuid4()}", f"file-{number % 7}", number) for number in numbers]
            connection.execute(insert(artifacts), rows)
    if name == "PostgreSQL":  # which does so by itself, some time after
        with database.writer.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM ANALYZE artifacts"))
    for _ in range(3):  # what was written last is still on its way to the disk
        _write(database)
        _sum(database)
    with_index = _seconds(lambda: _sum(database)), _seconds(lambda: _write(database))
    with database.writer.begin() as connection:
        connection.execute(text(f"DROP INDEX {INDEX}"))
    without = _seconds(lambda: _sum(database)), _seconds(lambda: _write(database))
    for what, its, other in zip(
        (f"sum of {files:,}", f"{OF_AN_EPOCH} files written"), with_index, without, strict=True
    ):
        print(f"{name:>10}: {what:>20}: {its * 1e3:8.2f} ms with the index, {other * 1e3:8.2f} ms without")
    database.close()


def _row(owner: str, name: str, number: int) -> dict[str, object]:
    key = f"{owner}/{name}-{number}"
    return {"owner": owner, "name": name, "key": key, "sha256": "0" * 64, "size": number, "epoch": 1, "created_at": 0}


def _seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def _sum(database: Database) -> None:
    with database.reader.connect() as connection:
        stored_bytes(connection)


def _write(database: Database) -> None:
    owner = f"jobs/{uuid.uuid4()}"
    files = [File(f"file-{place}", f"{owner}/{place}", "0" * 64, place, 1) for place in range(OF_AN_EPOCH)]
    with database.writer.begin() as connection:
        publish(connection, owner, files)


if __name__ == "__main__":
    main()
