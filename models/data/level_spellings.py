"""How the levels of a column may be written, beside their own names: by all who take rows from others."""

import math

from models.data.reading.cells import FALSE, MISSING, TRUE
from models.data.schema import Column

MISSING_LEVEL = -2
"""Stands for the place of a level where there is nothing."""


def truths(levels: tuple[str, ...]) -> dict[str, float]:
    """Give the places of the two levels of a boolean by all words, in small letters, that can mean no other one."""
    places = {level.casefold(): float(place) for place, level in enumerate(levels)}
    if len(places) != len(levels):
        return {}
    for false, true in (levels, levels[::-1]) if len(levels) == 2 else ():
        if false.casefold() in FALSE and true.casefold() in TRUE:
            for words, level in ((FALSE, false), (TRUE, true)):
                places |= {word: places[level.casefold()] for word in words}
    return places


def canonical(text: str) -> object:
    """Give what a text stands for: a number however it is written, true and false, or else the text."""
    try:
        number = float("" if "_" in text else text)
    except ValueError:
        return text.casefold() if text in ("True", "False") else text
    return number if math.isfinite(number) else text


def alike(levels: tuple[str, ...]) -> dict[object, float]:
    """Give the places of levels by what they stand for: "3" and "3.0" are one number, if no two levels are."""
    found: dict[object, float] = {}
    for place, level in enumerate(levels):
        key = level.casefold() if level.casefold() in ("true", "false") else canonical(level)
        found[key] = float(place)
    return found if len(found) == len(levels) else {}


def spellings(column: Column) -> dict[str, int]:
    """Give the place of every text that is looked up as it stands: levels, what else is read as one, what is missing.

    Of what is missing the place is MISSING_LEVEL. Numbers are among them as Python writes them, and words in small
    letters, in capitals, and with a capital in front: an endless number of ways are not.
    """
    found = {level: place for place, level in enumerate(column.levels)}
    words = truths(column.levels) if column.type == "boolean" else {}
    for word, place in words.items():
        _add(found, _cased(word), int(place))
    for mark in sorted(MISSING):
        _add(found, [*_cased(mark), *(["NaN"] if mark == "nan" else [])], MISSING_LEVEL)
    for key, place in alike(column.levels).items():
        if isinstance(key, float):
            _add(found, [str(key), *([str(int(key))] if key.is_integer() else [])], int(place))
        elif key in ("true", "false"):
            _add(found, [str(key), str(key).capitalize()], int(place))
    return found


def _add(found: dict[str, int], texts: list[str], place: int) -> None:
    for text in texts:
        found.setdefault(text, place)


def _cased(word: str) -> list[str]:
    return [word, word.upper(), word.capitalize()]
