"""URLs of the database and of the broker, as the settings name them; passwords in them are never told."""

import re
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

_FILE = "sqlite:///"


def of_file(path: Path) -> str:
    """Give the URL of a SQLite file, whatever characters its path has."""
    return _FILE + quote(str(path))


def file_of(url: str) -> Path | None:
    """Give the SQLite file that a URL names, if it is one of SQLite."""
    return Path(unquote(url.removeprefix(_FILE).partition("?")[0])) if url.startswith(_FILE) else None


def of_database(given: str) -> str:
    """Give the URL of a database, that of a file with its whole path. Raises ValueError, saying what to write."""
    scheme, _, rest = given.partition("://")
    kind = scheme.partition("+")[0]
    if kind == "postgres":
        raise ValueError("postgres:// is written postgresql://")
    if kind not in {"sqlite", "postgresql"}:
        raise ValueError(f"it must begin with sqlite:/// or postgresql://, not {_beginning(given)}")
    if kind == "postgresql":
        if scheme not in {"postgresql", "postgresql+psycopg"}:
            raise ValueError(f"{scheme}:// asks for a driver that is not here; write postgresql://")
        _parts(given)
        return given
    path, mark, options = rest.partition("?")
    name = unquote(path).removeprefix("/")
    if not path.startswith("/") or name in {"", ":memory:"} or name.startswith("file:"):
        raise ValueError("it must name a SQLite file, as sqlite:////srv/tenfold.sqlite3: several processes share it")
    return of_file(Path(name).absolute()) + mark + options


def of_broker(given: str) -> str:
    """Give the URL of a broker. Raises ValueError, saying what to write instead."""
    scheme, found, rest = given.partition("://")
    if not found or scheme.lower() not in {"redis", "rediss"}:
        raise ValueError(
            f"it must begin with redis:// or rediss://, as redis://127.0.0.1:6379/0, not {_beginning(given)}"
        )
    given = f"{scheme.lower()}://{rest}"
    parts = _parts(given)
    if not re.fullmatch(r"/?|/\d{1,5}", parts.path, re.ASCII):
        raise ValueError(f"after the host comes the number of a database, as /0, not {parts.path!r}")
    return given


def without_password(url: str) -> str:
    """Give a URL as it may be told: stars stand for the password, and what follows `?` is left out."""
    return re.sub(r"(?<=://)([^/@:]*):.*(?=@)", r"\1:***", url.partition("?")[0])


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read, because only that looks at it
    except ValueError:  # whose words may hold a piece of a password
        raise ValueError(
            f"{without_password(url)} is no URL: its port is none, or its password has a character that is to be "
            f"written as %XX"
        ) from None
    if parts.hostname is None and parts.username is not None:
        raise ValueError(f"{without_password(url)} names a user and no host")
    return parts


def _beginning(given: str) -> str:
    """Give the scheme of what is perhaps no URL, and no more, which may be a password."""
    scheme, found, _ = given.partition("://")
    return f"{scheme}://" if found and re.fullmatch(r"[\w+.'\"-]{1,40}", scheme) else "what has none"
