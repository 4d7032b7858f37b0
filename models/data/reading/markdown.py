"""A reading as a page in Markdown; what stood in the file is escaped, and shows as it was written."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.card import printable

_MOST = 100


def markdown(reading: Mapping[str, Any], *, title: str) -> str:
    """Give a reading, as `models.data.reading.found.Found` holds it, as a page."""
    taken = reading["taken_for"]
    return (
        "\n\n".join(
            [
                f"# What was read: {_cell(title)}",
                f"{reading['examples']:,} examples of {len(reading['classes']):,} classes.",
                "## Taken for",
                _table(("what", "taken for"), ((_words(name), _shown(value)) for name, value in taken.items())),
                *_added(reading.get("added")),
                *_chapter("Notes", ("what", "detail"), reading.get("notes", ())),
                *_chapter("Warnings", ("kind", "detail", "examples"), reading.get("warnings", ())),
                *_chapter("Classes", ("name", "examples"), reading["classes"]),
                *_columns(reading.get("columns", ())),
                *_chapter("Left out", ("column", "why"), reading.get("left_out", ())),
                *_chapter("Dropped", ("why", "count", "examples"), reading.get("dropped", ())),
            ]
        )
        + "\n"
    )


def _added(added: Mapping[str, Any] | None) -> list[str]:
    if added is None:
        return []
    its = {name: value for name, value in added.items() if name != "classes"}
    its["classes"] = {one["name"]: one["examples"] for one in added["classes"]}
    return ["## Added", _table(("what", "added"), ((_words(name), _shown(value)) for name, value in its.items()))]


def _columns(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    if not columns:
        return []
    names = ("name", "type", "why", "missing", "levels", "least", "greatest", "mean")
    return _chapter("Columns", [name for name in names if any(name in column for column in columns)], columns)


def _chapter(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    shown = ([_shown(row.get(name)) for name in names] for row in rows[:_MOST])
    more = [f"And {len(rows) - _MOST:,} more."] if len(rows) > _MOST else []
    return [f"## {title}", _table(names, shown), *more]


def _shown(value: object) -> str:
    """Give a value of a reading in words."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(name)}: {_shown(its)}" for name, its in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        more = f", and {len(value) - _MOST:,} more" if len(value) > _MOST else ""
        return ", ".join(_shown(one) for one in value[:_MOST]) + more
    return str(value)


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        [_cell(_words(name)) for name in head],
        ["---"] * len(head),
        *([_cell(one) for one in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: object) -> str:
    """Give a text as it is in a cell or a heading: what stands in a file is no emphasis, link, HTML or end of a cell.

    Other marks mean something only where a line begins, and stay as they are, to be read in a terminal as well.
    """
    shown = re.sub(r"([\\\\`*{}\[\]<>|&~$#!]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", printable(text))
    return re.sub(r"(?i)(www)\.|(https?|ftp|mailto|xmpp):|(?<=\w)@(?=\w)", _unlinked, shown)


def _unlinked(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"
