"""What the name of an array or a file says of it: pictures or labels, for training, validation or test."""

import re
from dataclasses import dataclass
from typing import Literal

from models.data.examples import TEST, TRAIN, VALIDATION

Role = Literal["values", "labels", "names"]

_PARTS = {
    **dict.fromkeys(("train", "training", "tr", "trn"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "te", "tst", "t10k"), TEST),
}
_VALUES = frozenset({
    "image", "images", "img", "imgs", "picture", "pictures", "pixel", "pixels", "x", "xs", "data", "feature",
    "features", "input", "inputs",
})  # fmt: skip
_LABELS = frozenset({"label", "labels", "lbl", "lbls", "y", "ys", "target", "targets", "class"})
_IDX = frozenset({"idx", "ubyte", "int", "1", "2", "3", "gz"})
_NAMES = frozenset({"names", "classes", "categories", "name"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"t10k|[a-z]+|\d+")
_TOGETHER = re.compile(r"(x|y)(train|training|tr|valid|val|validation|test|te)|(train|valid|val|test)(x|y)")


@dataclass(frozen=True)
class Said:
    """What a name says: the part, what is in it, and the word that says so."""

    part: int | None
    role: Role | None
    word: str


def said(name: str) -> Said:
    """Read the name of an array, or of a file without its folder."""
    part: int | None = None
    kinds = dict[Role, str]()
    for word in _words(name):
        if word in _PARTS and part is None:
            part = _PARTS[word]
        for role, known in (("names", _NAMES), ("labels", _LABELS), ("values", _VALUES)):
            if word in known:
                kinds.setdefault(role, word)  # type: ignore[arg-type]
    # `label_names` are names, and `images_labels` labels.
    order: tuple[Role, ...] = ("names", "labels", "values")
    found = next((role for role in order if role in kinds), None)
    return Said(part, found, "" if found is None else kinds[found])


def without_part(name: str) -> str:
    """Give a name without the words that say for which part it is."""
    return "_".join(word for word in _words(name) if word not in _PARTS)


def data_set(name: str) -> str:
    """Give the words of a name that say neither the part nor what is in it: what the data set is called."""
    return "-".join(word for word in _words(name) if word not in {*_PARTS, *_VALUES, *_LABELS, *_IDX})


def _words(name: str) -> list[str]:
    words = list[str]()
    for word in _WORD.findall(_CAMEL.sub(" ", name).lower()):
        if found := _TOGETHER.fullmatch(word):
            words += [part for part in found.groups() if part]
        else:
            words.append(word)
    return words
