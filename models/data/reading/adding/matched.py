"""Rows that are appended to a table: its columns are found by their names, and must be what they are there.

Legend of shapes: N rows.
"""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.reading import cells, kinds, named, rows, unlabelled
from models.data.reading.adding import joined
from models.data.reading.adding.base import Base
from models.data.reading.classes import Labels
from models.data.reading.columns import level
from models.data.reading.found import MOST_FAULTS, Fault, Found, UnreadableError
from models.data.reading.kinds import Kind
from models.data.reading.options import Options
from models.data.reading.parts import Parts
from models.data.reading.profile import MOST_LEVELS, Profile
from models.data.reading.roles import Roles, split_of
from models.data.reading.source import Source
from models.data.reading.told import Told
from models.data.schema import Column, Table

_OF_PICTURES = ("size", "channels", "preparation", "transpose", "scale")


def table(
    source: Source,
    folder: Path,
    options: Options,
    told: Told,
    given: Sequence[str] | None,
    settle: Callable[[Parts, Told], NDArray[np.uint8] | None] = Parts.settle,
) -> Found:
    """Append the rows of a file to the table that `told.base` is; raises UnreadableError.

    `given` are the names of classes by numbers that the file carries, `settle` gives the part of each row, uint8 [N].
    """
    base = told.base
    assert base is not None, "it is asked for only where there is one"
    if options.kind == "images" or not isinstance(base.schema, Table):
        raise joined.other_kind(base, "pictures, as it was said,")
    if said := [name for name in _OF_PICTURES if getattr(options, name) is not None]:
        raise UnreadableError(
            *(Fault(name, f"`{name}` was said, and {base.name} is a table", "leave it out") for name in said)
        )
    roles = find(source, base, base.schema, options, told)
    labels, parts, schema = write(source, roles, folder, base, base.schema, options, told)
    return joined.table(base, schema, labels, settle(parts, told), folder, options, told, given)


def find(source: Source, base: Base, schema: Table, options: Options, told: Told) -> Roles:
    """Give the columns of a table, in its order, among those of a file; raises UnreadableError where one is lacking."""
    names = source.names
    named.check_lengths(names)
    lacking = list[Fault]()
    features = list[int]()
    for column in schema.columns:
        place = _place(column.name, names)
        if place is None:
            lacking.append(_lacking(column.name, names, base, schema))
        else:
            features.append(place)
    if lacking:
        raise UnreadableError(*lacking[:MOST_FAULTS])
    said = options.label if options.label is not None else base.label or schema.label
    its_label = named.place_of(said, names, "label") if said is not None else None
    if its_label is None:
        raise UnreadableError(Fault("columns", "none holds the classes", "say label=NAME"))
    if its_label in features:
        what = f"{names[its_label]!r} was said to hold the classes, and {base.name} learns from it"
        raise UnreadableError(
            Fault("label", what, f"say label={base.label or schema.label}, as it is there, or leave it out")
        )
    told.taken_for["label"] = {"column": names[its_label], "place": its_label, "why": f"as in {base.name}"}
    told.taken_for["kind"] = "table"
    told.note("kind", f"the rows are those of a table, as in {base.name}")
    ignored = {named.place_of(name, names, "ignore") for name in options.ignore}
    others = [place for place in range(len(names)) if place not in (*features, its_label, *ignored)]
    split = split_of(source, options, others)
    for place, name in enumerate(names):
        if place not in (*features, its_label, split):
            why = "it is left out of" if name in schema.ignored else "no such column is in"
            told.leave_out(name, "so it was said" if place in ignored else f"{why} {base.name}")
    return Roles(its_label, split, None, tuple(features))


def _lacking(name: str, names: Sequence[str], base: Base, schema: Table) -> Fault:
    """Tell of a column that a file lacks, and which of its own may be meant."""
    known = [column.name for column in schema.columns]
    near = difflib.get_close_matches(name, [other for other in names if _place(other, known) is None], 1)
    remedy = "send it as well"
    if all(other.isdecimal() for other in names):
        remedy = "name the columns in the first line; those of the file are numbers"
    elif near:
        remedy = f"call {near[0]!r} so, if it is meant"
    what = f"no column is called {name!r}, as one of {base.name} is"
    return Fault("columns", what, f"{remedy}; or send all examples in one file, not appended")


def _place(name: str, names: Sequence[str]) -> int | None:
    """Give the place of a column by its name, however that is spaced or written in capitals if no other is so."""
    if name in names:
        return list(names).index(name)
    alike = [place for place, other in enumerate(names) if other.strip().casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def write(
    source: Source, roles: Roles, folder: Path, base: Base, schema: Table, options: Options, told: Told
) -> tuple[Labels, Parts, Table]:
    """Write the rows as float64 [N, columns]; gives labels, parts, and the schema of both. Raises UnreadableError.

    Levels that are new come after those that there are: numbers that are stored keep their meaning.
    """
    spoken = unlabelled.said(options) | base.spoken
    while True:
        labels = Labels(source.names[roles.label], spoken, decimal=source.decimal)
        parts = Parts(source.names, roles.split)
        profiles = {place: Profile(source.names[place]) for place in roles.features}
        kept, dropped = rows.look(source, roles, labels, parts, profiles)
        if not (heard := labels.heard()):
            break
        spoken |= heard
    if count := labels.dropped.total():
        told.drop(f"no label stands in column {labels.column!r}", count, dropped)
        unlabelled.tell_dropped(labels.dropped, sum(map(len, kept)), labels.column, told)
    found, faults = dict[int, Kind](), list[Fault]()
    for place, column in zip(roles.features, schema.columns, strict=True):
        try:
            found[place] = _kind(profiles[place], column, base, told)
        except UnreadableError as error:
            faults += error.faults
            continue
        lacking = rows.missing_in(profiles[place], found[place]).total()
        if options.missing == "refuse" and (lacking or column.missing):
            of = f"{lacking} of its cells" if lacking else f"some of its cells in {base.name}"
            what = f"nothing stands in {of}, and missing=refuse was said"
            faults.append(Fault(f"column {column.name}", what, "fill them, or take missing=refuse back"))
    if faults:
        raise UnreadableError(*faults)
    columns = tuple(
        column.model_copy(
            update={
                "levels": found[place].levels if column.levels else (),
                "missing": column.missing or bool(rows.missing_in(profiles[place], found[place])),
            }
        )
        for place, column in zip(roles.features, schema.columns, strict=True)
    )
    _tell(profiles, found, columns, base, told)
    rows.write_values(source, found, kept, folder)
    ignored = dict.fromkeys((*schema.ignored, *(entry["column"] for entry in told.left_out if entry["column"])))
    update: dict[str, Any] = {"columns": columns, "ignored": tuple(ignored)}
    update |= {name: said for name in ("missing", "unknown") if (said := getattr(options, name)) is not None}
    return labels, parts, schema.model_copy(update=update)


def _kind(profile: Profile, column: Column, base: Base, told: Told) -> Kind:
    """Tell what a column is, as that of a version is; raises UnreadableError where its cells are no such thing."""
    where, plain = f"column {column.name}", {level(name) for name in profile.distinct}
    if column.type == "number":
        is_date = any(its["name"] == column.name and its["type"] == "date" for its in base.reading.get("columns", ()))
        if is_date and not profile.there:
            return Kind("date", f"as in {base.name}")
        try:
            kind = kinds.decide(profile, "date" if is_date else "number", told)
        except UnreadableError as error:
            first = error.faults[0]
            what = f"{first.detail}; in {base.name} it holds {'dates' if is_date else 'numbers'}"
            raise UnreadableError(Fault(first.where, what, first.remedy), *error.faults[1:]) from None
        assert kind is not None, "it was said what it is"
        return kind
    new = sorted(plain - set(column.levels))
    if profile.long or (profile.there and not plain):
        what = "its texts are too long for a category" if profile.long else "it has too many distinct texts for one"
        raise UnreadableError(Fault(where, f"{what}, which it is in {base.name}", "see whether it is the same column"))
    if column.type == "boolean" and new:
        what = (
            f"{new[0][:40]!r} is none of {column.levels[0]!r} and {column.levels[1]!r}, which it holds in {base.name}"
        )
        raise UnreadableError(Fault(where, what, "write it as one of the two; or send all examples in one file"))
    if profile.there and profile.numbers == profile.there and new and not any(map(_is_number, column.levels)):
        what = f"all of its cells are numbers, and in {base.name} it holds texts such as {column.levels[0][:40]!r}"
        raise UnreadableError(Fault(where, what, "see whether it is the same column; write its levels as there"))
    if long := [name for name in new if len(name) > named.MOST_CHARACTERS]:
        what = f"the text {long[0][:40]!r} ... has {len(long[0]):,} characters; at most {named.MOST_CHARACTERS}"
        raise UnreadableError(Fault(where, what, "write a shorter one"))
    if len(column.levels) + len(new) > MOST_LEVELS:
        what = f"with {len(new):,} that are new it would have {len(column.levels) + len(new):,} distinct texts"
        raise UnreadableError(Fault(where, what, f"at most {MOST_LEVELS:,}: see whether it is the same column"))
    if new:
        told.note("levels", f"column {column.name!r} has levels that are new: {', '.join(map(repr, new[:10]))}")
    return Kind(column.type, f"as in {base.name}", (*column.levels, *new))


def _is_number(text: str) -> bool:
    return cells.number(text) is not None


def _tell(
    profiles: dict[int, Profile], found: dict[int, Kind], columns: Sequence[Column], base: Base, told: Told
) -> None:
    """Tell of the columns of both together."""
    before = {about["name"]: about for about in base.reading.get("columns", ())}
    for (place, kind), column in zip(found.items(), columns, strict=True):
        profile, old = profiles[place], before.get(column.name, {})
        missing = rows.missing_in(profile, kind).total()
        about: dict[str, Any] = {"name": column.name, "type": kind.type, "why": f"as in {base.name}"}
        about["missing"] = missing + old.get("missing", 0)
        if column.levels:
            about["levels"] = list(column.levels)
        elif profile.numbers and "least" in old:
            count = len(base.examples.labels) - old.get("missing", 0)
            total = old["mean"] * count + profile.total
            about |= {
                "least": min(old["least"], profile.least), "greatest": max(old["greatest"], profile.greatest),
                "mean": total / (count + profile.numbers),
            }  # fmt: skip
        elif "least" in old:
            about |= {name: old[name] for name in ("least", "greatest", "mean")}
        told.columns.append(about)
