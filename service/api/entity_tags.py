"""Entity tags in conditions: If-Match and If-None-Match, https://www.rfc-editor.org/rfc/rfc9110#section-13.1."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from starlette.datastructures import Headers

from service.errors import Malformed, PreconditionFailed

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS = re.compile(rf"[\s,]*{_TAG}(\s*,[\s,]*{_TAG})*[\s,]*")


class Tags(NamedTuple):
    """The tags of a condition: whether it is a star, which any tag matches, and else those that it lists."""

    is_star: bool
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    def match(self, tag: str) -> bool:
        """Whether a tag of ours, which is strong, matches one of these by the weak comparison."""
        return self.is_star or tag in self.strong | self.weak


def tags(name: str, lines: Sequence[str]) -> Tags | None:
    """Read the lines of a header, which are one list, some of whose elements may be empty; None without any.

    Raises Malformed for what is neither a star nor entity tags.
    """
    if not lines:
        return None
    # Between pieces of a list there may be nothing: RFC 9110, section 5.6.1.
    value = ", ".join(lines)
    if value.strip(" \t,") == "*":
        return Tags(is_star=True)
    if not _TAGS.fullmatch(value):
        raise Malformed(f'{name} is to be *, or entity tags in quotes, as ETag gives them: "3"')
    found = re.findall(_TAG, value)
    return Tags(
        is_star=False,
        strong=frozenset(tag for weak, tag in found if not weak),
        weak=frozenset(tag for weak, tag in found if weak),
    )


def require_match(headers: Headers, tag: str) -> None:
    """Refuse to answer who wants what has another tag than this: If-Match compares strongly.

    Raises PreconditionFailed, and Malformed.
    """
    wanted = tags("If-Match", headers.getlist("if-match"))
    if wanted is not None and not wanted.is_star and tag not in wanted.strong:
        raise PreconditionFailed(f'If-Match does not hold: the ETag is "{tag}" now')


def is_known(headers: Headers, tag: str) -> bool:
    """Whether the client has this already; what it says of that and cannot be read is no reason to refuse it."""
    with suppress(Malformed):
        known = tags("If-None-Match", headers.getlist("if-none-match"))
        return known is not None and known.match(tag)
    return False
