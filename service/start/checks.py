"""Whether a program can work with its settings: asked before it starts, and answered in one line with the remedy."""

import socket
import subprocess
import sys
import time

from service.addresses.urls import without_password
from service.broker import embedded
from service.processes.supervisor import StartError
from service.settings import Settings

BROKER_SECONDS = 5.0
_LOOK_SECONDS = 0.2


def require_free(host: str, port: int) -> None:
    """Raise StartError if nothing can listen on a port."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host or --port"
        ) from None


def require_device(settings: Settings) -> None:
    """Raise StartError if there is no device as the settings want it."""
    if settings.device != "cuda":
        return
    # A program of its own: who starts programs has no torch.
    asked = [sys.executable, "-c", "from models.device import choose; choose('cuda')"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        reason = found.stderr.strip().rpartition("\n")[2].removeprefix("ValueError: ")
        raise StartError(reason)


def require_database(settings: Settings) -> None:
    """Raise StartError if the database cannot be opened; its tables are brought up to date."""
    # Imported late: training processes begin to load before the database is looked at.
    from service.store.engine import Database, DatabaseError, cause

    try:
        Database.open(settings.database_url).close()
    except (DatabaseError, OSError, ValueError) as error:
        said = " ".join(cause(error).split())
        url = without_password(settings.database_url)
        raise StartError(f"TENFOLD_DATABASE_URL: {url} cannot be opened: {said.rstrip('.')}; correct it") from None


def require_broker(settings: Settings, *, seconds: float = BROKER_SECONDS) -> None:
    """Raise StartError if the broker does not answer within some seconds."""
    deadline = time.monotonic() + seconds
    while trouble := embedded.trouble(settings.broker_url):
        if time.monotonic() >= deadline:
            url = without_password(settings.broker_url)
            raise StartError(
                f"TENFOLD_BROKER_URL: {url} does not answer: {trouble}; start that server, or leave the variable empty "
                f"and let `tenfold up` start one of its own"
            )
        time.sleep(_LOOK_SECONDS)
