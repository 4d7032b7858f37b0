"""Links, as whoever asked has to follow them: below the path under which a proxy shows this service.

Within the service a path is always the one of a route. A link is made of it here, and nowhere else, when it is told.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

ROOT: ContextVar[str] = ContextVar("root", default="")
"""What stands before every path of the request that is being answered: "" or, say, "/ml"."""


def link(path: str) -> str:
    """Give the link that leads to one of our paths, which begins with a slash."""
    return ROOT.get() + path


def links(paths: Mapping[str, str]) -> dict[str, str]:
    """Give the links that lead to several of our paths, by name."""
    return {name: link(path) for name, path in paths.items()}


@contextmanager
def below(root: str) -> Iterator[None]:
    """Let links be made for a request that has come by this path."""
    token = ROOT.set(root)
    try:
        yield
    finally:
        ROOT.reset(token)
