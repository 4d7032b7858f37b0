"""Lists in pages: how many, from where on, what follows, and labels to find things by."""

import re
from collections.abc import Callable, Sequence
from reprlib import repr as shown
from typing import Any, NamedTuple
from urllib.parse import urlencode

from service.edge.links import link
from service.errors import Fault, Invalid
from service.store.engine import Row


class Page(NamedTuple):
    """Some rows of a list, whether there are more, and the URL of the page after this one."""

    rows: Sequence[Row]
    has_more: bool
    next: str | None

    @classmethod
    def of(
        cls, read: Callable[[int], Sequence[Row]], *, limit: int, path: str, cursor: str = "number", **filters: Any
    ) -> "Page":
        """Read a page: one row more than it holds is asked for, and tells whether there is another page.

        Args:
            read: gives at most so many rows.
            limit: rows of a page.
            path: of the list.
            cursor: the column by which the rows are ordered; `after` goes on from the last one of the page.
            filters: what else is asked for; what is None is left out of the next page's URL.
        """
        rows = read(limit + 1)
        if len(rows) <= limit:
            return cls(rows, has_more=False, next=None)
        return cls(rows[:limit], True, next_page(path, limit, getattr(rows[limit - 1], cursor), **filters))


def next_page(path: str, limit: int, after: Any, **filters: Any) -> str:
    """Give the URL of a page that begins after this one's end; what is None is left out of it."""
    query = {**filters, "limit": limit, "after": after}
    kept = {name: value for name, value in query.items() if value is not None}
    return link(f"{path}?{urlencode(kept, doseq=True)}")


LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9._ -]*")


def label_pairs(label: Sequence[str] | None, field: str = "#query/label") -> list[tuple[str, str]]:
    """Read labels that are sought as key:value, by a field of the request; raises Invalid."""
    for text in label or []:
        if not LABEL.fullmatch(text):
            raise Invalid(
                "a label is sought as key:value",
                faults=[Fault(field, f"{shown(text)} is not of the form key:value")],
            )
    return [(key, value) for key, _, value in (text.partition(":") for text in label or [])]
