"""Text that anybody may have written, as the font of the pictures can show it, in the room that there is.

What the font lacks is spelt out between guillemets and never left to a box that says nothing: kana and letters of
other scripts by the last of their Unicode name, as «ka», and ideographs, of which that tells nothing, by their code.
"""

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import groupby

from matplotlib.font_manager import FontProperties, findfont, get_font

MAX_TITLE = 80
_TELLING = ("LETTER", "SYLLABLE", "CHARACTER", "SIGN")
"""Words of a Unicode name after which stands what a character is called."""

_SHORT = 24


def drawable(text: str, font: FontProperties | None = None, length: int = MAX_TITLE) -> str:
    """Cut text that anybody may have written to `length` characters that the font can draw."""
    line = " ".join(_spelt(text[: 4 * length], font).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def folded(label: str, width: int, lines: int) -> str:
    """Break a label that anybody may have written into at most `lines` of `width` characters."""
    broken = textwrap.wrap(drawable(label), max(width, 6), max_lines=lines, placeholder=" …", break_on_hyphens=False)
    return "\n".join(broken) or "□"


@lru_cache(maxsize=20_000)
def width(text: str, size: float) -> float:
    """Measure a line that can be drawn, in inches, at a size of type in points."""
    font = get_font(findfont(FontProperties()))
    font.set_size(size, 720)  # finely, as the height of letters is set to whole pixels
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 / 720


def fitted(text: str, inches: float, size: float, *, end: bool = False) -> str:
    """Give a line that can be drawn and is no wider than so many inches: its beginning or its end, marked as cut."""
    line = drawable(text, length=200) or "□"
    if width(line, size) <= inches:
        return line

    def cut(kept: int) -> str:
        return "…" + line[len(line) - kept :].lstrip() if end else line[:kept].rstrip() + "…"

    low, high = 1, len(line) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(cut(middle), size) <= inches else (low, middle - 1)
    return cut(low)


def names(classes: Sequence[str], inches: float, size: float) -> list[str]:
    """Fit the names of classes; those that begin the same are told apart by their ends, or by their places from 0."""
    lines = [fitted(name, inches, size) for name in classes]
    for place in _repeated(lines):
        lines[place] = fitted(classes[place], inches, size, end=True)
    for place in _repeated(lines):
        mark = f" #{place}"
        lines[place] = fitted(classes[place], inches - width(mark, size), size) + mark
    return lines


def _repeated(lines: Sequence[str]) -> list[int]:
    often = Counter(lines)
    return [place for place, line in enumerate(lines) if often[line] > 1]


def widest(lines: Iterable[str], size: float) -> float:
    """Measure the widest of these lines, in inches."""
    return max((width(line, size) for line in lines), default=0.0)


def _spelt(text: str, font: FontProperties | None) -> str:
    glyphs = _glyphs(findfont(font or FontProperties()))
    runs = groupby(_spaced(text), lambda letter: ord(letter) in glyphs)
    return "".join("".join(run) if is_there else _spelt_out(run) for is_there, run in runs)


def _spelt_out(letters: Iterable[str]) -> str:
    return f"«{' '.join(_name(letter) for letter in letters)}»"


def _spaced(text: str) -> str:
    return "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)


def _name(letter: str) -> str:
    name = unicodedata.name(letter, "")
    for word in _TELLING:
        _, found, rest = name.partition(f" {word} ")
        if found:
            return rest.removeprefix("SMALL ").removeprefix("CAPITAL ").lower()
    return name.lower() if name and len(name) <= _SHORT and "IDEOGRAPH" not in name else f"U+{ord(letter):04X}"


@cache
def _glyphs(path: str) -> frozenset[int]:
    return frozenset(get_font(path).get_charmap())
