"""The programs that Tenfold consists of, as parts for the supervisor."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from service.broker import embedded
from service.processes.supervisor import Part, Supervisor, free_port
from service.settings import Settings

_CELERY = [sys.executable, "-m", "celery", "--app", "worker.app", "--quiet", "worker", "--loglevel", "INFO"]
# Chatter between workers that nobody needs here, and that has kept workers from reconnecting.
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def broker_part(settings: Settings, port: int) -> Part:
    """Give the embedded broker."""
    return Part(
        name="broker",
        command=embedded.command(port, settings.home / "broker"),
        is_ready=partial(embedded.is_ready, settings.broker_url),
    )


def worker_parts(settings: Settings) -> list[Part]:
    """Give the training worker, and the worker for what must not wait for training."""
    # One more than may train at a time: it stands by for one that dies (see worker/slots.py).
    processes = str(settings.workers + 1)
    train = [*_CELERY, *_QUIET, "--hostname", "train@%h", "--queues", "train", "--concurrency", processes]
    errands = [*_CELERY, *_QUIET, "--hostname", "errands@%h", "--queues", "errands", "--pool", "solo"]
    return [
        # Told to stop, it gives its jobs back within a batch; one that outlasts these seconds is killed.
        Part(name="train", command=train, is_ready=_at_once, environment=settings.environment(), stop_seconds=30),
        Part(name="errands", command=errands, is_ready=_at_once, environment=settings.environment(), stop_seconds=10),
    ]


def api_part(settings: Settings) -> Part:
    """Give the API; it is ready when jobs can be trained, so the workers must have been started before."""
    return Part(
        name="api",
        command=[sys.executable, "-m", "service.cli", "api"],
        is_ready=partial(_is_ready, settings),
        environment=settings.environment(),
        stop_seconds=10,
    )


@contextmanager
def short_lived(settings: Settings, log_folder: Path | None = None) -> Iterator[str]:
    """Run everything on free loopback ports with its state in a fresh folder, for a demo or a bench; gives the URL.

    Data sets are looked for where the settings say.
    """
    with tempfile.TemporaryDirectory(prefix="tenfold-") as home:
        port, broker_port = free_port(), free_port()
        settings = settings.model_copy(
            update={
                "home": Path(home),
                "host": "127.0.0.1",
                "port": port,
                "database_url": f"sqlite:///{home}/tenfold.sqlite3",
                "broker_url": f"redis://127.0.0.1:{broker_port}/0",
            }
        )
        parts = [broker_part(settings, broker_port), *worker_parts(settings), api_part(settings)]
        with Supervisor(parts, log_folder or settings.home / "logs"):
            yield f"http://127.0.0.1:{port}"


def _at_once() -> bool:
    return True


def _is_ready(settings: Settings) -> bool:
    # Who listens everywhere is asked on the loopback; by a name that is allowed, and not through a proxy.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - looked up, not bound
    url = httpx.URL(scheme="http", host=host, port=settings.port, path="/readyz")
    headers = {"Host": settings.allowed_hosts[0]}
    try:
        return httpx.get(url, headers=headers, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
