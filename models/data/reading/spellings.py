"""Labels that are written in several ways: those that became one class, and those that did not and may have been to."""

import json
from collections.abc import Mapping, Set

from models.data.reading import cells
from models.data.reading.options import Options
from models.data.reading.told import Told

_SHOWN = 5


def tell(written: Mapping[str, Set[str]], column: str, options: Options, told: Told) -> None:
    """Tell how labels of a column are written, by the name of each."""
    merged = [f"{_shown(texts)} are {name!r}" for name, texts in written.items() if len(texts) > 1]
    changed = [
        f"{_shown(texts)} is {name!r}" for name, texts in written.items() if len(texts) == 1 and name not in texts
    ]
    if merged:
        told.warn(
            "labels that are one number",
            f"{len(merged)} classes of column {column!r} are written in more than one way; where they differ, put a "
            "letter before them",
            merged[:_SHOWN],
        )
    if changed:
        told.note(
            "label", f"labels that are whole numbers are classes without sign, noughts and decimals: {changed[0]}"
        )
    alike = dict[object, list[str]]()
    for name in written:
        alike.setdefault(_key(name), []).append(name)
    apart = [names for names in alike.values() if len(names) > 1 and not _is_said(names, options)]
    if apart:
        new = {name: names[0] for names in apart[:_SHOWN] for name in names[1:]}
        told.warn(
            "labels that are nearly alike",
            f"labels of column {column!r} differ in their spelling alone, and are classes of their own; "
            f"classes={json.dumps(new, ensure_ascii=False)} makes them one",
            [" and ".join(map(repr, names)) for names in apart[:_SHOWN]],
        )


def _key(name: str) -> object:
    number = cells.number(name)
    return " ".join(name.casefold().split()) if number is None else number


def _is_said(names: list[str], options: Options) -> bool:
    return options.classes is not None and any(name in options.classes for name in names)


def _shown(texts: Set[str]) -> str:
    return " and ".join(map(repr, sorted(texts)))
