"""The home: it is its owner's alone, and where the programs work."""

import errno
import os
from pathlib import Path

import service
from service.addresses.urls import file_of
from service.processes.broker_files import ASIDE
from service.processes.supervisor import StartError
from service.settings import Settings
from service.start.lock import LOCK

_OURS = ("artifacts", "broker", LOCK, "logs")
_DATA = "data"
"""Perhaps a link to where others have their data too: what is in a home that is closed need not be closed itself."""
_BESIDE = ("", "-journal", "-shm", "-wal")


def open_home(settings: Settings) -> None:
    """Make the home, close what was open to others, and go there; what this process makes from now on is closed.

    What is not ours stays as it is: a home that holds other things as well, and the folder of a database elsewhere.
    Raises StartError if the home cannot be made or read.
    """
    os.umask(0o077)
    try:
        settings.artifacts.mkdir(parents=True, exist_ok=True)
        found = [path.name for path in settings.home.iterdir()]
    except OSError as error:
        raise StartError(f"TENFOLD_HOME: {settings.home} cannot be used: {error.strerror}") from None
    database = file_of(settings.database_url)
    files = [database.with_name(database.name + suffix) for suffix in _BESIDE] if database is not None else []
    ours = {*_OURS, _DATA, *(path.name for path in files if path.parent == settings.home)}
    for path in [*(settings.home / name for name in _OURS), *files]:
        _close(path)
    if all(name in ours or name.startswith(ASIDE) for name in found):
        _close(settings.home)
    go_to(settings.artifacts)


def _close(path: Path) -> None:
    try:
        path.chmod(path.stat().st_mode & 0o700)
    except OSError as error:
        # What belongs to somebody else is theirs to close, and what is on a read-only disk stays as it is.
        if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise StartError(f"{path} cannot be closed to others: {error.strerror}") from None


def go_to(folder: Path) -> None:
    """Work in a folder of ours: Python, Celery and Matplotlib look for code and settings wherever they are started."""
    known = [str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    ours = Path(service.__path__[0]).absolute().parent
    # Code that was found because it was started from its own folder has to be found from elsewhere too.
    if ours.name not in {"site-packages", "dist-packages"} and str(ours) not in known:
        known.append(str(ours))
    if known:
        os.environ["PYTHONPATH"] = os.pathsep.join(known)
    os.chdir(folder)
