"""Links, as whoever asked has to follow them: below the path under which a proxy shows this service.

Within the service a path is always the one of a route. A link is made of it here, and nowhere else, when it is told.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

ROOT: ContextVar[str] = ContextVar("root_path", default="")
"""What stands before every path of the request that is being answered: "" or, say, "/ml". In the lifespan's state,
under the name of this variable: what stands there unless a proxy says otherwise."""


OWNER: ContextVar[str] = ContextVar("owner", default="")
"""The account that shares what is looked at, where that is another's: links to its names say so."""

_NAMED = re.compile(r"(?:(?<=^/models/)|(?<=^/datasets/))[^/?:]+(?=[/?]|$)")


def link(path: str) -> str:
    """Give the link that leads to one of our paths, which begins with a slash."""
    if owner := OWNER.get():
        path = _NAMED.sub(lambda name: f"{owner}:{name.group()}", path)
    return ROOT.get() + path


def links(paths: Mapping[str, str]) -> dict[str, str]:
    """Give the links that lead to several of our paths, by name."""
    return {name: link(path) for name, path in paths.items()}


def cut(path: str, root: str) -> str:
    """Give the path of ours that a request is for, whether a proxy has cut off what stands before it or not."""
    return path[len(root) :] or "/" if root and (path + "/").startswith(root + "/") else path


@contextmanager
def below(root: str, owner: str = "") -> Iterator[None]:
    """Let links be made for a request that has come by this path, and asks for what another account shares."""
    token, its = ROOT.set(root), OWNER.set(owner)
    try:
        yield
    finally:
        OWNER.reset(its)
        ROOT.reset(token)
