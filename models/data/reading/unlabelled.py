"""What stands where a label should: whether it says that there is none, or is a class that is called so.

`-` is none among words, and a class beside `+`; `NA` is none, and North America beside EU and AS.
"""

from collections.abc import Mapping, Set

from models.data.reading import cells
from models.data.reading.found import Fault
from models.data.reading.options import Options
from models.data.reading.told import Told

_LEAST = 2
_SHARE = 0.01


def is_none(label: str, counts: Mapping[str, int]) -> bool:
    """Whether a label says that there is none, by how often each of all labels is there."""
    return cells.is_missing(label) and label.strip() not in spoken(counts)


def spoken(counts: Mapping[str, int]) -> frozenset[str]:
    """Give those of the words for nothing that are classes: as frequent as these are, and written as they are."""
    words = frozenset(text for text in map(str.strip, counts) if text and cells.is_missing(text))
    if not words:
        return words
    total = sum(counts.values())
    others = [text for text in map(str.strip, counts) if not cells.is_missing(text)]
    signs = any(_is_sign(text) for text in others) or (all(map(_is_sign, words)) and len(words) > 1 and not others)
    codes = bool(others) and all(len(text) == len("NA") and text.isalpha() and text.isupper() for text in others)
    often = (text for text in words if counts.get(text, 0) >= max(_LEAST, _SHARE * total))
    return frozenset(text for text in often if (signs and _is_sign(text)) or (codes and text == "NA"))


def said(options: Options) -> frozenset[str]:
    """Give those of the words for nothing that the option `classes` says to be classes."""
    return frozenset(text for name in options.classes or () if (text := name.strip()) and cells.is_missing(text))


def tell_spoken(words: Set[str], column: str, told: Told) -> None:
    """Tell of words for nothing that are classes."""
    shown = ", ".join(map(repr, sorted(words)))
    told.note(
        "label",
        f"{shown} in column {column!r} is taken for a class, as the others are written likewise; where it says that "
        "there is none, leave the cells empty",
    )


def tell_dropped(counts: Mapping[str, int], total: int, column: str, told: Told) -> None:
    """Warn of words for nothing, by how often each was there, of so many rows in all."""
    words = {text: count for text, count in counts.items() if text}
    lacking = sum(counts.values())
    if not words and lacking < _SHARE * total:
        return
    detail = f"{lacking:,} of {total:,} rows are dropped, as no label stands in column {column!r}"
    if words:
        shown = ", ".join(f"{text!r} ({count:,})" for text, count in words.items())
        detail += f"; {shown} is taken to say so, and {remedy(words)}"
    told.warn("dropped for want of a label", detail)


def remedy(words: Mapping[str, int]) -> str:
    """Say how a word for nothing is made a class."""
    word = max(words, key=lambda text: words[text])
    return f'classes={{"{word}": "{word}"}} makes it a class'


def only_class(name: str, words: Mapping[str, int], column: str) -> Fault:
    """Give the fault of examples that all have one label, where other rows have a word for nothing."""
    where, what = f"column {column}", f"all examples have the label {name!r}; at least 2 classes are needed"
    if words := {text: count for text, count in words.items() if text}:
        none = max(words, key=lambda text: words[text])
        return Fault(where, f"{what}, and {none!r} is taken for none", f"if that is a class, say so: {remedy(words)}")
    other = "send examples of other classes as well, or name the column that holds the classes: label=NAME"
    return Fault(where, what, other)


def _is_sign(text: str) -> bool:
    return len(text) == 1 and not text.isalnum()
