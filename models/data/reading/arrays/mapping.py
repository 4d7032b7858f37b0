"""Files of what labels stand for, by the codes of characters: EMNIST's lines `1 65 97`, Kuzushiji's `1,U+3044,X`.

Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017. Clanuwat,
Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha, "Deep learning for classical Japanese literature", 2018.
"""

import re

from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES

_LINES = re.compile(r"(?:\d{1,4}(?:[ \t]+\d{1,7})+[ \t]*\r?\n?)+")
_CALLED = re.compile(r"(?i)(.*/)?[^/]*(mapping|classmap)[^/]*\.(txt|csv)")
_HEADER = "index,codepoint,char"
_ROW = re.compile(r'"?(\d{1,4})"?,"?U\+([0-9A-Fa-f]{4,6})"?,.*')


def is_called_so(name: str) -> bool:
    """Whether a file is called as those are that say what labels stand for."""
    return _CALLED.fullmatch(name) is not None


def is_like(text: str) -> bool:
    """Whether a text has lines of a label and codes of characters, and no others."""
    return _LINES.fullmatch(text) is not None or bool(_rows(text))


def _rows(text: str) -> list[tuple[int, list[int]]]:
    """Give labels and the code of the character of each, of Kuzushiji's form; nothing of a text of another."""
    first, *lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    found = [_ROW.fullmatch(line) for line in lines]
    if first.lower().endswith(_HEADER) and all(found):
        return [(int(row[1]), [int(row[2], 16)]) for row in found if row is not None]
    return []


def names(text: str, called: str, told: Told) -> list[str] | None:
    """Give the names of classes by number, and tell of it; None where the text gives none that can be."""
    known, several = dict[int, str](), list[str]()
    rows = _rows(text) or [(int(label), list(map(int, codes))) for label, *codes in map(str.split, text.splitlines())]
    for label, codes in rows:
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
