"""The classes of a version and of what is appended to it, in one order, and the places that labels have then.

Legend of shapes: N examples that are appended, C classes of the version to which they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.reading import classes as naming
from models.data.reading import named, spellings
from models.data.reading.classes import Labels, normal
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES


@dataclass(frozen=True, eq=False)
class Union:
    """The names of all classes; labels of what is appended, int64 [N]; the new place of each old class, int64 [C]."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    places: NDArray[np.int64]


def union(
    old: Sequence[str], before: int, labels: Labels, options: Options, told: Told, given: Sequence[str] | None
) -> Union:
    """Join the classes of a version of `before` examples, and those of what is appended; raises UnreadableError.

    `given` are names by numbers that the file carries.
    """
    labels.check()
    codes = labels.whole()
    if not len(codes):
        raise UnreadableError(Fault("file", "it has no example with a label", "send one at least"))
    names = labels.names()
    if all(naming.is_whole(name) for name in old):
        labels.check_strangers(codes, before + len(codes))
    labels.tell(options, told)
    if given is not None:
        naming.check_given(names, given, labels.column)
    of_name = {name: _renamed(naming.by_given(name, given), options) for name in names}
    for name in of_name.values():
        named.check_class(name, f"column {labels.column}", "give it a shorter name")
    new = [name for name in dict.fromkeys(of_name[name] for name in names) if name not in old]
    order = _order(old, new, options, given)
    if len(order) > MAX_CLASSES:
        raise UnreadableError(
            Fault("classes", f"with those that are new there would be {len(order):,}; at most {MAX_CLASSES:,}",
                  "see whether the column of the label is the right one: label=NAME")
        )  # fmt: skip
    place_of = {name: place for place, name in enumerate(order)}
    by_code = np.array([place_of[of_name[name]] for name in labels.by_code()], np.int64)
    found = Union(tuple(order), by_code[codes], np.array([place_of[name] for name in old], np.int64))
    _tell(old, new, found, labels.column, options, told)
    return found


def _renamed(name: str, options: Options) -> str:
    if not isinstance(options.classes, dict):
        return name
    return next((new.strip() for old, new in options.classes.items() if normal(old) == name), name)


def _order(old: Sequence[str], new: Sequence[str], options: Options, given: Sequence[str] | None) -> list[str]:
    """Give all classes in their order: as it was said, as the file has it, by what they are; or what is new last."""
    every = [*old, *new]
    if isinstance(options.classes, tuple):
        said = [normal(name) for name in options.classes]
        if lacking := [name for name in every if name not in said]:
            raise UnreadableError(
                *(
                    Fault("classes", f"examples have the label {name!r}, which is not among them",
                          "name each class once, those of the version before as well")
                    for name in lacking[:MOST_FAULTS]
                )
            )  # fmt: skip
        return [name for name in dict.fromkeys(said) if name in every]
    if not new:
        return list(old)
    if given is not None and set(every) <= set(given):
        return [name for name in dict.fromkeys(given) if name in every]
    key = _key(every, options)
    return sorted(every, key=key) if list(old) == sorted(old, key=key) else every


def _key(every: Sequence[str], options: Options) -> Callable[[str], tuple[int, str]]:
    """Give by what classes are in order: by the labels that files have for them, as if all had come at once."""
    renamed = options.classes if isinstance(options.classes, dict) else {}
    labels = {name: [normal(old) for old, new in renamed.items() if new.strip() == name] or [name] for name in every}
    key = naming.order([label for its in labels.values() for label in its])
    return lambda name: min(map(key, labels[name]))


def _tell(old: Sequence[str], new: Sequence[str], found: Union, column: str, options: Options, told: Told) -> None:
    counts = np.bincount(found.labels, minlength=len(found.classes)).tolist()
    without = [name for name, count in zip(found.classes, counts, strict=True) if not count]
    if new:
        shown = ", ".join(f"{name} ({counts[found.classes.index(name)]:,} examples)" for name in new)
        where = (
            ""
            if found.classes[: len(old)] == tuple(old)
            else "; the places of others among the classes are other ones now"
        )
        told.note("classes", f"classes that appeared: {shown}{where}")
        spellings.tell({name: {name} for name in found.classes}, column, options, told)
    if without:
        told.note("classes", f"classes without new examples: {', '.join(without)}")
