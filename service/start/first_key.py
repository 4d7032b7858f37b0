"""The first key, where keys are asked for and none is on record: made once, and left where only its owner reads it."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from service.processes.supervisor import StartError
from service.settings import Settings
from service.start.lock import shown
from service.store.api_keys import ApiKeys
from service.store.engine import Database, DatabaseError, cause

FILE = "first-key"


def make_first_key(settings: Settings, tell: Callable[[str], object]) -> None:
    """Make it, if it is needed, and tell where it lies; itself only to a terminal, never to a log.

    Raises StartError where it cannot be kept.
    """
    if not settings.asks_for_keys:
        if not settings.is_on_loopback:
            tell(f"TENFOLD_AUTH is off: whoever reaches {settings.host} may see, change and delete everything")
        return
    file = settings.home / FILE
    database = Database.open(settings.database_url)
    try:
        text = ApiKeys(database).first(lambda text: _write(file, text))
    except DatabaseError as error:
        raise StartError(f"the first key cannot be kept: {cause(error)}") from None
    except OSError as error:
        raise StartError(f"the first key cannot be written to {shown(file)}: {error.strerror}") from None
    finally:
        database.close()
    if text is not None:
        tell(f"Requests must show a key. The first one, which may do everything, lies in {shown(file)}")
        if sys.stdout.isatty():
            tell(f"and is {text}")


def _write(file: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        file.unlink()  # of a start that did not come to its end
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{text}\n")
        opened.flush()
        os.fsync(descriptor)
