"""Tables that are made at once, in a process that knows of them by this alone."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import inspect

from service.store.engine import Database


def test_whoever_makes_the_tables_makes_all_of_them(tmp_path: Path, migrated: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    program = f"from service.store.engine import Database; Database.open({url!r}).close()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    made, known = Database.open(url), Database.open(f"sqlite:///{migrated}")
    assert inspect(made.writer).get_table_names() == inspect(known.writer).get_table_names()
    made.close()
    known.close()
