"""Entity tags in conditions: If-Match and If-None-Match, https://www.rfc-editor.org/rfc/rfc9110#section-13.1."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from service.errors import Malformed

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
