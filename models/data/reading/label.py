"""Which column holds the classes: by its name, else by what stands in it; never by chance."""

from collections import Counter
from collections.abc import Sequence

from models.data.reading import cells
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.source import Source

_NAMES = frozenset({
    "label", "labels", "class", "classes", "target", "targets", "y", "species", "category", "variety", "survived",
    "diagnosis", "digit", "letter", "character", "income", "class_label", "class_name", "classname", "label_name",
    "outcome", "churn",
})  # fmt: skip
_WEAKER = frozenset({"type", "quality", "result", "group", "kind", "status", "grade"})
_MOST = 1000
_USUAL = 0.9  # the share from which on one value is the ground of pictures rather than a class


def by_name(names: Sequence[str], places: Sequence[int]) -> tuple[int, str] | None:
    """Give the column that is called as labels are, and why; raises UnreadableError where two are."""
    for known in (_NAMES, _WEAKER):
        hits = [place for place in places if names[place].strip().lower().replace(" ", "_") in known]
        if len(hits) > 1:
            called = " and ".join(repr(names[place]) for place in hits)
            raise UnreadableError(
                Fault("columns", f"{called} may both hold the classes", f"say which one: label={names[hits[0]]}")
            )
        if hits:
            return hits[0], f"it is called {names[hits[0]]!r}"
    return None


def beside_pixels(source: Source, places: Sequence[int]) -> tuple[int, str]:
    """Give the first or the last column of pictures without names, whichever holds classes; raises UnreadableError."""
    first, last = places[0], places[-1]
    for whole in (False, True):
        if whole:
            # Sorted by class, the first rows are all of one.
            counts = {place: Counter[str]() for place in (first, last)}
            for batch in source.batches((first, last)):
                for place in counts:
                    found = batch.texts[place].value_counts().to_pylist()
                    counts[place].update({pair["values"]: pair["counts"] for pair in found})
        else:
            counts = {place: Counter(row[place] for row in source.sample) for place in (first, last)}
        likely = [place for place, values in counts.items() if _is_label(values)]
        if len(likely) == 1:
            where = "first" if likely[0] == first else "last"
            other = "last" if likely[0] == first else "first"
            return likely[0], (
                f"it is the {where} column, and its values, {_shown(counts[likely[0]])}, are those of classes; "
                f"those of the {other} column are not"
            )
    raise UnreadableError(
        Fault(
            "columns",
            f"whether the first or the last column holds the classes cannot be told: {_shown(counts[first])}, and "
            f"{_shown(counts[last])}",
            f"say which one: label={first} or label={last}",
        )
    )


def in_table(source: Source, places: Sequence[int]) -> tuple[int, str]:
    """Give the only column of a table, at its beginning or end, that can hold classes; raises UnreadableError."""
    texts, codes = [], []
    for place in places:
        column = [row[place].strip() for row in source.sample if not cells.is_missing(row[place])]
        distinct = set(column)
        if not 1 < len(distinct) <= min(100, len(column) // 2):
            continue
        if any(cells.number(cell, source.decimal) is None for cell in distinct):
            texts.append(place)
        elif all(cells.whole(cell) is not None for cell in distinct) and len(distinct) <= 20:
            codes.append(place)
    for likely, what in ((texts, "words"), (codes, "few whole numbers")):
        if len(likely) == 1 and likely[0] in (places[0], places[-1]):
            where = "first" if likely[0] == places[0] else "last"
            return likely[0], f"it is the {where} column, and the only one of {what} that come again"
        if likely:
            break
    candidates = texts + codes
    named = ", ".join(source.names[place] for place in candidates[:10])
    raise UnreadableError(
        Fault(
            "columns",
            f"no column is called label, class, target, species ...; these may hold classes: {named}"
            if candidates
            else "no column is called label, class or target, and in none do few values come again",
            f"say which column it is: label={source.names[candidates[-1]] if candidates else 'NAME'}",
        )
    )


def _is_label(values: Counter[str]) -> bool:
    numbers = [cells.whole(cell) for cell in values if not cells.is_missing(cell)]
    if not numbers:
        return False
    known = {number for number in numbers if number is not None}
    if len(known) < len(numbers) / 2:
        return True
    span = max(known) - min(known) + 1
    return 1 < len(known) <= _MOST and len(known) >= span / 2 and max(values.values()) < _USUAL * values.total()


def _shown(values: Counter[str]) -> str:
    most = [value for value, _ in values.most_common(3)]
    return f"{', '.join(most)}{' ...' if len(values) > len(most) else ''}"
