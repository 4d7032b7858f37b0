"""EMNIST's files of what its labels stand for: a label and codes of characters in each line, as `1 65 97`.

Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017.
"""

import re

from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES

_LINES = re.compile(r"(?:\d{1,4}(?:[ \t]+\d{1,7})+[ \t]*\r?\n?)+")


def is_like(text: str) -> bool:
    """Whether a text has lines of a label and codes of characters, and no others."""
    return _LINES.fullmatch(text) is not None


def names(text: str, called: str, told: Told) -> list[str] | None:
    """Give the names of classes by number, and tell of it; None where the text gives none that can be."""
    known, several = dict[int, str](), list[str]()
    for line in text.splitlines():
        label, *codes = map(int, line.split())
        try:
            characters = [chr(code) for code in codes]
        except (ValueError, OverflowError):
            characters = [""]
        # Surrogates are no characters either.
        if not all(character.isprintable() and character.strip() for character in characters):
            told.leave_out(called, "a code in it stands for no character")
            return None
        known[label] = characters[0]
        if len(characters) > 1:
            several.append(f"{label} for {' and '.join(characters)}, called {characters[0]}")
    if max(known) > MAX_CLASSES or len(set(known.values())) < len(known):
        told.leave_out(called, "it does not give each label a character of its own")
        return None
    told.note("classes", f"{called} says which characters the labels stand for")
    if several:
        told.note(
            "classes", f"labels stand for several characters: {'; '.join(several[:3])}{' ...' * (len(several) > 3)}"
        )
    return [known.get(label, str(label)) for label in range(max(known) + 1)]
