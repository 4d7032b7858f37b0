"""Which column holds the classes: by its name, else by what stands in it; never by chance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from models.data.reading import cells
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.source import Source
from models.data.reading.unlabelled import is_none

_NAMES = frozenset({
    "label", "labels", "class", "classes", "target", "targets", "y", "species", "category", "variety", "survived",
    "diagnosis", "digit", "letter", "character", "income", "class_label", "class_name", "classname", "label_name",
    "outcome", "churn",
})  # fmt: skip
_WEAKER = frozenset({"type", "quality", "result", "group", "kind", "status", "grade"})
_MOST = 1000
_USUAL = 0.9  # the share from which on one value is the ground of pictures rather than a class


def is_known(name: str) -> bool:
    """Whether a name says by itself that it is that of a label."""
    return _written(name) in _NAMES


def by_name(names: Sequence[str], places: Sequence[int]) -> tuple[int, str] | None:
    """Give the column that is called as labels are, and why; raises UnreadableError where two are."""
    for known in (_NAMES, _WEAKER):
        hits = [place for place in places if _written(names[place]) in known]
        if len(hits) > 1:
            called = " and ".join(repr(names[place]) for place in hits)
            raise UnreadableError(
                Fault("columns", f"{called} may both hold the classes", f"say which one: label={names[hits[0]]}")
            )
        if hits:
            return hits[0], f"it is called {names[hits[0]]!r}"
    return None


def beside_pixels(source: Source, places: Sequence[int]) -> tuple[int, str, tuple[int, ...]]:
    """Give the first or the last column of pictures without names, whichever holds classes; why; and its rivals.

    The other is a rival where it hardly varies among the first rows. Raises UnreadableError.
    """
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
        likely = [place for place, values in counts.items() if is_label(values)]
        if len(likely) == 1:
            where = "first" if likely[0] == first else "last"
            other = "last" if likely[0] == first else "first"
            its_rival = last if likely[0] == first else first
            why = (
                f"it is the {where} column, and its values, {_shown(counts[likely[0]])}, are those of classes; "
                f"those of the {other} column are not"
            )
            return likely[0], why, (its_rival,) if not whole and _hardly_varies(counts[its_rival]) else ()
    raise either(first, last, counts[first], counts[last])


def either(first: int, last: int, of_first: Counter[str], of_last: Counter[str]) -> UnreadableError:
    """Give the refusal of pictures of which the first and the last column may hold the classes, or none of them."""
    return UnreadableError(
        Fault(
            "columns",
            f"whether the first or the last column holds the classes cannot be told: {_shown(of_first)}, and "
            f"{_shown(of_last)}",
            f"say which one: label={first} or label={last}",
        )
    )


def in_table(source: Source, places: Sequence[int]) -> tuple[int, str, tuple[int, ...]]:
    """Give the only column of a table, at its beginning or end, that can hold classes; why; and its rivals.

    Those are the columns that are the same among the first rows, and may vary in others. Raises UnreadableError.
    """
    texts, codes, rivals = list[int](), list[int](), list[int]()
    for place in places:
        values = Counter(row[place].strip() for row in source.sample)
        column = {value: count for value, count in values.items() if not is_none(value, values)}
        if len(column) < 2:
            rivals.append(place)
        elif (kind := may_hold(column, source.decimal)) is not None:
            (texts if kind == "words" else codes).append(place)
    ends = (places[0], places[-1])
    # Words at one end, and codes at the other: the last column is the label as often as those of words are.
    if texts == [places[0]] and places[-1] in codes:
        texts, codes = [], [places[0], places[-1]]
    for likely, what in ((texts, "words"), (codes, "few whole numbers")):
        if len(likely) == 1 and likely[0] in ends:
            where = "first" if likely[0] == places[0] else "last"
            return likely[0], f"it is the {where} column, and the only one of {what} that come again", tuple(rivals)
        if likely:
            break
    raise ambiguous(source.names, texts + codes)


def ambiguous(names: Sequence[str], candidates: Sequence[int]) -> UnreadableError:
    """Give the refusal of a table in which several columns may hold the classes, or none."""
    named = ", ".join(names[place] for place in candidates[:10])
    return UnreadableError(
        Fault(
            "columns",
            f"no column is called label, class, target, species ...; these may hold classes: {named}"
            if candidates
            else "no column is called label, class or target, and in none do few values come again",
            f"say which column it is: label={names[candidates[-1]] if candidates else 'NAME'}",
        )
    )


def check_rivals(source: Source, chosen: int, its: Mapping[str, int], rivals: Mapping[int, Mapping[str, int]]) -> None:
    """Raise UnreadableError where rivals, of which the values of all rows are known, may hold the classes as well."""
    kind = may_hold(its, source.decimal)
    last = len(source.names) - 1
    known = {place: may_hold(values, source.decimal) for place, values in rivals.items()}
    alike = [place for place, its in known.items() if its == "words" or (its and (kind == "codes" or place == last))]
    if alike:
        raise ambiguous(source.names, sorted([chosen, *alike]))


def may_hold(column: Mapping[str, int], decimal: str) -> Literal["words", "codes"] | None:
    """Tell whether a column may hold classes, as words or as few whole numbers, by how often each value is there."""
    if not 1 < len(column) <= min(100, sum(column.values()) // 2):
        return None
    if any(cells.number(cell, decimal) is None for cell in column):
        return "words"
    return "codes" if len(column) <= 20 and all(cells.whole(cell) is not None for cell in column) else None


def _written(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def is_label(values: Counter[str]) -> bool:
    """Whether the values of a column beside pixels are those of classes, by how often each is there."""
    numbers = [cells.whole(cell) for cell in values if not is_none(cell, values)]
    if not numbers:
        return False
    known = {number for number in numbers if number is not None}
    if len(known) < len(numbers) / 2:
        return True
    span = max(known) - min(known) + 1
    return 1 < len(known) <= _MOST and len(known) >= span / 2 and not _hardly_varies(values)


def _hardly_varies(values: Counter[str]) -> bool:
    return max(values.values()) >= _USUAL * values.total()


def _shown(values: Counter[str]) -> str:
    most = [value for value, _ in values.most_common(3)]
    return f"{', '.join(most)}{' ...' if len(values) > len(most) else ''}"
