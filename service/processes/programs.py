"""The programs that Tenfold consists of, as the supervisor runs them."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from service.addresses import urls
from service.broker import embedded
from service.processes import broker_files
from service.processes.process import Lack, Program
from service.processes.supervisor import StartError, Supervisor, free_port
from service.settings import Settings

if TYPE_CHECKING:
    import httpx

_CELERY = ["--app", "worker.app", "--quiet", "worker", "--loglevel", "INFO"]
# Chatter between workers that nobody needs here, and that has kept workers from reconnecting.
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def broker(settings: Settings, port: int) -> Program:
    """Give the embedded broker; raises StartError where there is none."""
    folder = settings.home / "broker"
    try:
        command = embedded.command(port, folder)
    except RuntimeError as error:
        raise StartError(str(error)) from None
    return Program(
        name="broker",
        command=command,
        is_ready=partial(embedded.is_ready, settings.broker_url),
        mend=partial(broker_files.mend, port, folder),
    )


def workers(settings: Settings) -> list[Program]:
    """Give the training worker, the worker for what must not wait for training, and the one that reads data sets."""
    processes = str(settings.workers)
    celery = [*_CELERY, *_QUIET, "--hostname"]
    train = [sys.executable, "-m", "worker", *celery, "train@%h", "--queues", "train", "--concurrency", processes]
    errands, readings = (
        [sys.executable, "-m", "celery", *celery, f"{queue}@%h", "--queues", queue, "--pool", "solo"]
        for queue in ("errands", "readings")
    )
    return [
        # Told to stop, it gives its jobs back within a batch; one that outlasts these seconds is killed.
        Program(name="train", command=train, is_ready=_at_once, environment=settings.environment(), stop_seconds=30),
        Program(
            name="errands", command=errands, is_ready=_at_once, environment=settings.environment(), stop_seconds=10
        ),
        # Told to stop, it gives back what it reads.
        Program(
            name="readings", command=readings, is_ready=_at_once, environment=settings.environment(), stop_seconds=10
        ),
    ]


def api(settings: Settings) -> Program:
    """Give the API; it is ready when jobs can be trained, so the workers must have been started before."""
    return Program(
        name="api",
        command=[sys.executable, "-m", "service.cli", "api"],
        is_ready=partial(_answers, settings, "/readyz", seconds=2),
        lacks=partial(_lacks, settings),
        # As long as it is patient with a loop that a long computation holds up.
        answers=partial(_answers, settings, "/livez", seconds=5),
        environment=settings.environment(),
        stop_seconds=10,
    )


def in_order(settings: Settings, before_api: Callable[[], None] | None = None) -> list[Program]:
    """Give workers and API in the order in which they are started: what /readyz waits for has the processor first.

    What is to be seen to before the API starts is seen to while training processes load.
    """
    train, *others = workers(settings)
    return [train, replace(api(settings), before=before_api), *others]


@contextmanager
def short_lived(settings: Settings, log_folder: Path | None = None) -> Iterator[str]:
    """Run everything on free loopback ports with its state in a fresh folder, for a demo or a bench; gives the URL.

    Data sets are looked for where the settings say.
    """
    with _temporary_folder() as home:
        port, broker_port = free_port(), free_port()
        settings = settings.model_copy(
            update={
                "home": Path(home),
                "host": "127.0.0.1",
                "port": port,
                "database_url": urls.of_file(Path(home) / "tenfold.sqlite3"),
                "broker_url": f"redis://127.0.0.1:{broker_port}/0",
                # Nobody comes by another name, or through a proxy.
                "allowed_hosts": ("127.0.0.1",),
                "trusted_proxies": (),
                "root_path": "",
            }
        )
        with Supervisor([broker(settings, broker_port), *in_order(settings)], log_folder or settings.home / "logs"):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _temporary_folder() -> Iterator[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="tenfold-")
    except OSError as error:
        raise StartError(f"no temporary folder can be made: {error.strerror}; choose one by TMPDIR") from None
    with folder as home:
        yield home


def _at_once() -> bool:
    return True


def _answers(settings: Settings, path: str, *, seconds: float) -> bool:
    answer = _asked(settings, path, seconds=seconds)
    return answer is not None and answer.status_code == HTTPStatus.OK


_BLAMED = {
    "database": ("the database", "api"),
    "broker": ("the broker", "broker"),
    "worker": ("a worker for training", "train"),
}
"""What /readyz tells: how it is called, and the program whose log says more."""


def _lacks(settings: Settings) -> Lack | None:
    """Say what /readyz lacks; the broker before the worker, which cannot do without."""
    answer = _asked(settings, "/readyz", seconds=2)
    if answer is None:
        return Lack("it does not answer at all", "api")
    try:
        ready = answer.json()
        missing = [part for part in _BLAMED if not ready[part]]
    except (ValueError, KeyError, TypeError):
        return Lack(f"another program answers there, with {answer.status_code}", "api")
    what = " and ".join(_BLAMED[part][0] for part in missing)
    return Lack(f"/readyz lacks {what}", _BLAMED[missing[0]][1]) if missing else None


@cache
def _client() -> "httpx.Client":
    import httpx  # late: what takes long to load is started first

    # Made once: it reads all certificates, of which none is asked here. A connection that is kept could be stale.
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _asked(settings: Settings, path: str, *, seconds: float) -> "httpx.Response | None":
    import httpx

    # Who listens everywhere is asked on the loopback; by a name that is allowed, and not through a proxy.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - looked up, not bound
    url = httpx.URL(scheme="http", host=host, port=settings.port, path=path)
    headers = {"Host": settings.allowed_hosts[0].replace("*", "tenfold")}
    try:
        return _client().get(url, headers=headers, timeout=seconds)
    except httpx.TransportError:
        return None
