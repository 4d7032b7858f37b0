"""The API as a program: one process, or several that share a socket."""

import gc
import os
import resource
import sys
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from service.predict.fast_path import FastPathProtocol
from service.processes import logs, tether
from service.settings import Settings

MAX_CONNECTIONS = 2000
"""A thousand streams that wait, and as many others."""

_FILES_OF_A_CONNECTION = 2
"""Its socket, and a file that is sent to its client or comes from it."""

_OTHER_FILES = 160
"""Connections to the database, those that ask whether the process lives, and what every process has open."""

_FIRST = "TENFOLD_FIRST_PROCESS"
"""Names the process that the others are to end with."""


def run(settings: Settings) -> None:
    """Serve the API until a signal ends it; where there are several processes, one that dies is replaced."""
    os.environ.update(settings.environment() | {_FIRST: str(os.getpid())})
    uvicorn.run(
        "service.api.server:create",
        factory=True,
        http=FastPathProtocol,
        workers=settings.api_processes,
        host=settings.host,
        port=settings.port,
        server_header=False,
        proxy_headers=False,  # those that are trusted are the gate's to know
        ws="none",
        limit_concurrency=_connections(),
        # Longer than proxies keep theirs: a connection that both close at once costs a request.
        timeout_keep_alive=75,
        # An event stream lasts as long as its job; on shutdown its client is sent away, and comes back.
        timeout_graceful_shutdown=3,
        log_level="info",
        access_log=False,
    )


def _connections() -> int:
    """Give how many connections a process takes: as many as it may have files for, as far as it may be given them."""
    wanted = _OTHER_FILES + _FILES_OF_A_CONNECTION * MAX_CONNECTIONS
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != files < wanted:
        wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with suppress(ValueError, OSError):  # the system may allow fewer than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, (files - _OTHER_FILES) // _FILES_OF_A_CONNECTION))


def create() -> ASGIApp:
    """Build the API in the process that serves it, with the settings that the environment says."""
    # Only here: numpy must not be loaded before it is said how many threads it shall have.
    from service.api.app import create_app

    settings = Settings()
    if settings.api_processes > 1:
        # Not to whatever is the parent by now: that of an orphan is the system's first process, which never dies.
        tether.tie(int(os.environ[_FIRST]))
        logs.set_up()
    app = create_app(settings)
    # A thread that reads a long body, or makes a long answer, lets the event loop wait for no longer than this.
    sys.setswitchinterval(0.0005)
    # What is there now stays: the collector need not look at it again and again while requests wait.
    gc.collect()
    gc.freeze()
    return app
