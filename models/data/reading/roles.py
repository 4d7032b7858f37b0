"""What each column is for: the label, the split, a pixel, a column of a table, or nothing."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading import cells, grid, label, named
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Source
from models.data.reading.told import Told
from models.data.schema import MAX_COLUMNS

SPLITS = frozenset({"split", "set", "subset", "part", "partition", "fold"})
"""What a split column is called."""

PARTS = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("validation", "valid", "val", "dev"), 1),
    **dict.fromkeys(("test", "testing"), 2),
}
"""What a split column says, and which part that is."""

_ID = re.compile(r"(?i)id|__index_level_\d+__|uuid|guid|index|idx|rownames?|.+[_ .-]id|key|.*(?-i:[a-z]I[dD])")
_LEAST_ROWS = 20
_ROWS = 100
_TWO = 2
_MOSTLY = 0.99  # so many cells are numbers; others are faults of a picture, not a sign of a table


@dataclass(frozen=True)
class Roles:
    """The columns by their places; `pixels` if the rows are pictures, else `features` of a table.

    `rivals` are the same everywhere among the first rows: where they are not in others, they may be the label as well.
    """

    label: int
    split: int | None
    pixels: grid.Grid | None
    features: tuple[int, ...]
    rivals: tuple[int, ...] = ()


def find(source: Source, options: Options, told: Told) -> Roles:
    """Find out what the columns of a file are for; raises UnreadableError where that cannot be told."""
    names = source.names
    named.check_lengths(names)
    said = None if options.label is None else named.place_of(options.label, names, "label")
    known = {name: place for place, name in reversed(list(enumerate(names)))}
    ignored = {known[name] if name in known else named.place_of(name, names, "ignore") for name in options.ignore}
    for name in options.types:
        if name not in known:
            named.place_of(name, names, "types")
    places = [place for place in range(len(names)) if place not in ignored]
    for place in sorted(ignored):
        told.leave_out(names[place], "so it was said")
    split = split_of(source, options, [place for place in places if place != said])
    kept = [place for place in places if place not in (said, split)]
    outside = (
        [] if options.kind == "images" and said is not None and grid.is_grid(len(kept)) else _indices(source, kept)
    )
    for place, why in outside:
        told.leave_out(names[place], why)
    gone = {place for place, _ in outside}
    rest = [place for place in kept if place not in gone]
    if not rest:
        raise UnreadableError(
            Fault("columns", "no column is left beside the label", "send what the label is to be told by")
        )
    its_label, why, rivals = (said, "so it was said", ()) if said is not None else _label(source, rest, options)
    rest = [place for place in rest if place != its_label]
    told.taken_for["label"] = {"column": names[its_label], "place": its_label, "why": why}
    pixels = _pixels(source, rest, options, told)
    if pixels is None:
        if len(rest) > MAX_COLUMNS:
            what = f"the rows were taken for those of a table, which has {len(rest):,} columns"
            raise UnreadableError(
                Fault("columns", what, f"send at most {MAX_COLUMNS:,}, or say kind=images if they are pictures")
            )
        return Roles(its_label, split, None, tuple(rest), rivals)
    its_pixels = set(pixels.columns)
    for place in rest:
        if place not in its_pixels:
            told.leave_out(names[place], "it is called otherwise than the pixels are")
    return Roles(its_label, split, pixels, (), rivals)


def split_of(source: Source, options: Options, places: Sequence[int]) -> int | None:
    """Give the column that says of each row which part it is of: the one that was said, or one of these places."""
    if options.split is not None:
        return named.place_of(options.split, source.names, "split")
    for place in places:
        if source.names[place].strip().lower() in SPLITS:
            values = {row[place].strip().lower() for row in source.sample} - {""}
            if values and values <= PARTS.keys():
                return place
    return None


def _indices(source: Source, places: Sequence[int]) -> list[tuple[int, str]]:
    """Give the columns that only number or name the rows, and those where nothing stands, and why."""
    found = []
    for place in places:
        name = source.names[place].strip()
        nameless = not name or re.fullmatch(r"Unnamed: \d+", name) is not None
        if not (nameless or _ID.fullmatch(name) or (not source.named and place == places[0])):
            continue
        column = [row[place].strip() for row in source.sample]
        if not any(column) and not name:
            found.append((place, "it has no name, and nothing stands in it"))
            continue
        numbers = [cells.whole(cell) for cell in column]
        counts = any(numbers == list(range(start, start + len(column))) for start in (0, 1))
        enough = len(column) >= _LEAST_ROWS
        if counts and enough:
            found.append((place, "it counts the rows"))
        elif nameless and place == places[0] and len(set(column)) == len(column):
            found.append((place, "it has no name, and is another in each row"))
        elif enough and _ID.fullmatch(name) and len(set(column)) == len(column):
            found.append((place, f"it is called {name!r} and is another in each row"))
    return found


def _label(source: Source, places: Sequence[int], options: Options) -> tuple[int, str, tuple[int, ...]]:
    names = source.names
    pixels = set(grid.pixel_columns(names, places))
    others = [place for place in places if place not in pixels]
    if source.named and (found := label.by_name(names, others)):
        return *found, ()
    if len(pixels) >= grid.LEAST_CALLED and options.kind != "table":
        if len(others) == 1:
            return others[0], "it is the only column that is not called as pixels are", ()
        if others:
            called = ", ".join(names[place] for place in others[:10])
            remedy = f"say which one: label={names[others[0]]}"
            if len(others) > _TWO:
                remedy += (
                    "; where each of them is one class, write one column of their names, in pandas: "
                    "frame[[...]].idxmax(axis=1)"
                )
            raise UnreadableError(Fault("columns", f"{called} may hold the classes", remedy))
        raise UnreadableError(
            Fault("columns", "all columns are pixels; none holds the classes", "send the label of each picture as well")
        )
    if options.kind != "table" and grid.are_numbered(names, places[1:-1]) and grid.is_grid(len(places) - 1):
        return label.beside_pixels(source, places)
    return label.in_table(source, places)


def _pixels(source: Source, places: Sequence[int], options: Options, told: Told) -> grid.Grid | None:
    """Decide whether the rows are pictures, and tell why."""
    names = source.names
    called = grid.pixel_columns(names, places)
    if options.kind is not None:
        columns = list(called or places)
        why = "so it was said" if told.base is None else f"as in {told.base.name}"
        pictures = options.kind == "images"
    elif len(called) >= grid.LEAST_CALLED:
        columns, pictures, why = called, True, f"{len(called):,} columns are called as pixels are ({names[called[0]]})"
    else:
        columns = list(places)
        pictures, why = _are_pictures(source, places, options)
    told.taken_for["kind"] = "images" if pictures else "table"
    if not pictures:
        told.note("kind", f"the rows are those of a table: {why}; kind=images says otherwise")
        return None
    laid, order = grid.lay(names, columns, options)
    told.note("kind", f"each row is a picture: {why}{order}; kind=table says otherwise")
    return laid


def _are_pictures(source: Source, places: Sequence[int], options: Options) -> tuple[bool, str]:
    count = len(places)
    if options.size is not None or options.channels is not None:
        return True, "their size was said"
    if not grid.are_numbered(source.names, places):
        return False, "its columns have names, and not those of pixels"
    if not grid.is_grid(count):
        return False, f"{count:,} columns of numbers are no square of at least 8 x 8"
    numbers = [cells.number(row[place], source.decimal) for row in source.sample[:_ROWS] for place in places]
    known = [number for number in numbers if number is not None and math.isfinite(number)]
    if len(known) < _MOSTLY * len(numbers):
        return False, "not all of its cells hold numbers"
    low, high = min(known), max(known)
    if all(number.is_integer() for number in known) and low >= 0 and high <= 255:
        return True, f"{count:,} columns without names of their own hold whole numbers from {low:g} to {high:g}"
    if count >= 4 * grid.LEAST and low >= -1 and high <= 1 and max(-low, high) == 1:
        return True, f"{count:,} columns without names of their own hold numbers from {low:g} to {high:g}"
    return False, f"its numbers, from {low:g} to {high:g}, are on no scale of pictures"
