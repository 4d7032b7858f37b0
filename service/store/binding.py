"""Read a statement as it is sent: the places in it where tables stand, and which of them are bound to an account.

What SQLAlchemy writes is bound by scoping.py; this is for what it has not seen through, and for texts. It finds rather
a place too many than one too few: what is refused for nothing is noticed by the first test. Of what stands beside a
condition it knows nothing: one that is undone by an OR, or bound to another's account, is not its to find.
"""

import re
from collections.abc import Collection
from functools import lru_cache

_NO_CODE = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL)
"""Texts and remarks: a table that is named in one does not stand there, and nothing is bound in one."""

_QUOTED = re.compile(r'["`\[](\w+)["`\]]')

_AFTER = (
    "as from where set on using left right inner cross full natural join order group having limit offset union except "
    "intersect returning values default select for window indexed not"
)
_PLACE = re.compile(
    r"(?:\b(?:from|join|update|into|using|only|table|copy|truncate)\b|,)[\s(]*(?:\w+\.)?(?P<table>[a-z_]\w*)\b"
    rf"(?!\s*[.(])(?=(?:(?:\s+as)?\s+(?!(?:{_AFTER.replace(' ', '|')})\b)(?P<alias>[a-z_]\w*))?)"
)
_INSERTED = re.compile(r"^\s*(?:insert|replace)\b[^(]*?\binto\s+(?:\w+\.)?(\w+)\s*(\([^)]*\))?")
_VALUE = r"(?:\?|:\w+|\$\d+|%s|%\(\w+\)s)"
_BY_VALUE = re.compile(rf"\b(\w+)\.account\s*=\s*{_VALUE}|{_VALUE}(?:::\w+)?\s*=\s*(\w+)\.account\b")
_BY_VALUES = re.compile(rf"\b(\w+)\.account\s+in\s+\({_VALUE}")
_BY_ANOTHER = re.compile(r"\b(\w+)\.account\s*=\s*(\w+)\.account\b")
_BY_OTHERS = re.compile(r"\b(\w+)\.account\s+in\s+\(\s*select\s+(?:distinct\s+)?(\w+)\.account\b")


@lru_cache(maxsize=4096)
def unbound(statement: str, tables: frozenset[str], known: frozenset[str]) -> str | None:
    """Name one of some tables that stands where no account is bound; None if there is none.

    A place is bound by a value, by the account of another place that is, or as one of the tables that are `known`: who
    asks for those has their ids. What is inserted is bound by saying its account.
    """
    plain = _QUOTED.sub(r"\1", _NO_CODE.sub("''", statement)).lower()
    inserted = _INSERTED.match(plain)
    if inserted is not None:
        table, columns = inserted.groups()
        if table in tables and re.search(r"\baccount\b", columns or "") is None:
            return str(table)
        plain = plain[inserted.end() :]
    found = [(place["alias"] or place["table"], place["table"]) for place in _PLACE.finditer(plain)]
    owned = [(place, str(table)) for place, table in found if table in tables]
    bound = _bound(plain, [place for place, table in owned if table in known])
    return next((table for place, table in owned if place not in bound), None)


def _bound(plain: str, known: Collection[str]) -> set[str]:
    """Give the places that are bound, the known ones among them."""
    bound = {*known, *(one or other for one, other in _BY_VALUE.findall(plain)), *_BY_VALUES.findall(plain)}
    pairs = _BY_ANOTHER.findall(plain)
    pairs += [(other, one) for one, other in pairs] + _BY_OTHERS.findall(plain)
    while more := {one for one, other in pairs if other in bound} - bound:
        bound |= more
    return bound
