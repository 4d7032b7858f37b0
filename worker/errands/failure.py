"""What a worker could not make is said in its place: whoever waits for it is told why, and not only to come again."""

import logging

from service.artifacts import Artifacts
from service.disk.faults import without_paths
from service.store.engine import DatabaseError
from service.store.files import REFUSED
from service.store.store import Store

_logger = logging.getLogger(__name__)

_MOST = 500


def reason(error: Exception) -> str:
    """Say what went wrong, without the paths of this machine."""
    if isinstance(error, DatabaseError):
        return "the database did not answer"
    if isinstance(error, OSError) and error.strerror:
        said = error.strerror + (f": {error.filename}" if error.filename is not None else "")
    else:
        said = str(error)
    known = isinstance(error, ValueError | OSError) and said
    return without_paths(said if known else f"{type(error).__name__}: {said}")[:_MOST]


def refuse(owner: str, name: str, error: Exception, store: Store, artifacts: Artifacts, *, epoch: int = 0) -> None:
    """Put on record why a file of an owner could not be made."""
    _logger.warning("%s of %s cannot be made", name, owner, exc_info=error)
    file = artifacts.write(owner, name + REFUSED, reason(error).encode(), epoch=epoch)
    artifacts.remove(store.files.publish(owner, [file]))
