"""Rows of a table: looked at once, to know what each column is, and then written."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data import stored
from models.data.reading import columns, label, npy, unlabelled
from models.data.reading.classes import Labels
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.kinds import Kind, decide
from models.data.reading.options import Options
from models.data.reading.parts import Parts
from models.data.reading.profile import Profile
from models.data.reading.roles import Roles
from models.data.reading.source import Source
from models.data.reading.told import Told
from models.data.schema import MAX_COLUMNS, Column

_SHOWN = 5


def write(
    source: Source, roles: Roles, folder: Path, options: Options, told: Told
) -> tuple[Labels, Parts, tuple[Column, ...]]:
    """Write the rows as float64 [N, columns]; gives labels, parts and columns.

    Raises UnreadableError where a cell cannot be what its column is.
    """
    spoken = unlabelled.said(options)
    while True:
        labels, parts = (
            Labels(source.names[roles.label], spoken, decimal=source.decimal),
            Parts(source.names, roles.split),
        )
        profiles = {place: Profile(source.names[place]) for place in roles.features}
        kept, dropped = look(source, roles, labels, parts, profiles)
        if not (heard := labels.heard()):
            break
        spoken |= heard
    if count := labels.dropped.total():
        told.drop(f"no label stands in column {labels.column!r}", count, dropped)
        unlabelled.tell_dropped(labels.dropped, sum(map(len, kept)), labels.column, told)
    labels.check_all(told)
    counted = {place: profiles[place].levels or Counter() for place in roles.rivals if place in profiles}
    label.check_rivals(source, roles.label, labels.counts(), counted)
    said = {name.strip().lower(): type_ for name, type_ in options.types.items()}
    kinds = dict[int, Kind]()
    faults = list[Fault]()
    for place, profile in profiles.items():
        try:
            kind = decide(profile, said.get(profile.name.strip().lower()), told)
        except UnreadableError as error:
            faults += error.faults
            continue
        if kind is not None:
            kinds[place] = kind
            lacking = missing_in(profile, kind).total()
            if options.missing == "refuse" and lacking:
                what = f"nothing stands in {lacking} of its cells, and missing=refuse was said"
                faults.append(Fault(f"column {profile.name}", what, "fill them, or take missing=refuse back"))
    if faults:
        raise UnreadableError(*faults)
    if not 0 < len(kinds) <= MAX_COLUMNS:
        what = "no column is left that a label could be told by" if not kinds else f"there are {len(kinds):,} columns"
        if not kinds and told.left_out:
            what += "".join(f"; {one['column']!r} is left out: {one['why']}" for one in told.left_out[:_SHOWN])
        raise UnreadableError(Fault("columns", what, f"send 1 to {MAX_COLUMNS:,} columns of numbers or categories"))
    found = tuple(_column(profiles[place], kind) for place, kind in kinds.items())
    _tell(profiles, kinds, told)
    write_values(source, kinds, kept, folder)
    return labels, parts, found


def look(
    source: Source, roles: Roles, labels: Labels, parts: Parts, profiles: dict[int, Profile]
) -> tuple[list[NDArray[np.bool_]], list[tuple[str, str]]]:
    """Look at all rows; gives which of each batch have a label, and are kept, and where some of the others stand."""
    asked = [roles.label, *roles.features] + ([] if roles.split is None else [roles.split])
    kept, dropped = list[NDArray[np.bool_]](), list[tuple[str, str]]()
    for batch in source.batches(asked):
        there = labels.add(batch.texts[roles.label], batch.where)
        parts.add(batch, there)
        rows = np.flatnonzero(there)
        for row in np.flatnonzero(~there)[: _SHOWN - len(dropped)]:
            dropped.append((batch.where(int(row)), batch.texts[roles.label][int(row)].as_py()))
        for place, profile in profiles.items():
            column = batch.texts[place]
            profile.add(
                column if there.all() else column.filter(pa.array(there)), source.decimal, _of(batch.where, rows)
            )
        kept.append(there)
    return kept, dropped


def _of(where: Callable[[int], str], rows: NDArray[np.intp]) -> Callable[[int], str]:
    return lambda row: where(int(rows[row]))


def missing_in(profile: Profile, kind: Kind) -> Counter[str]:
    """Count the cells in which nothing stands, by how that is written."""
    return profile.missing + profile.gone if kind.type == "number" else profile.missing


def _column(profile: Profile, kind: Kind) -> Column:
    missing = bool(missing_in(profile, kind))
    type_ = kind.type if kind.type in {"category", "boolean"} else "number"
    return Column.model_validate({"name": profile.name, "type": type_, "levels": kind.levels, "missing": missing})


def _tell(profiles: dict[int, Profile], kinds: dict[int, Kind], told: Told) -> None:
    for place, kind in kinds.items():
        profile = profiles[place]
        gone = missing_in(profile, kind)
        about = {"name": profile.name, "type": kind.type, "why": kind.why, "missing": gone.total()}
        if kind.levels:
            about["levels"] = list(kind.levels)
        elif profile.numbers and kind.type == "number":
            about |= {
                "least": profile.least, "greatest": profile.greatest, "mean": profile.total / profile.numbers
            }  # fmt: skip
        told.columns.append(about)
        if gone:
            how = ", ".join(f"{json.dumps(text, ensure_ascii=False)} ({count:,})" for text, count in gone.items())
            told.note("missing", f"column {profile.name!r} lacks {gone.total():,} values: {how}")


def write_values(source: Source, kinds: dict[int, Kind], kept: list[NDArray[np.bool_]], folder: Path) -> None:
    """Write the columns in this order, of the rows that are kept of each batch; raises UnreadableError."""
    with npy.Writer(folder / stored.VALUES, np.dtype(np.float64), (len(kinds),)) as writer:
        for batch, there in zip(source.batches(list(kinds)), kept, strict=True):
            values = np.empty((int(there.sum()), len(kinds)))
            rows = np.flatnonzero(there)
            for order, (place, kind) in enumerate(kinds.items()):
                column = batch.texts[place].filter(pa.array(there))
                values[:, order], bad = _encoded(column, kind, source.decimal)
                if bad.any():
                    raise UnreadableError(
                        *(
                            Fault(
                                f"{batch.where(int(rows[row]))}, column {source.names[place]}",
                                f"{column[int(row)].as_py()[:40]!r} is no date",
                                "write dates as 2026-12-31",
                            )
                            for row in np.flatnonzero(bad)[:MOST_FAULTS]
                        )
                    )
            writer.append(values)


def _encoded(column: pa.Array, kind: Kind, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the cells as they are stored, and which of them are no dates."""
    texts, missing = columns.stripped(column)
    good = np.zeros(len(missing), bool)
    if kind.type == "number":
        return columns.numbers(column, decimal).values, good
    there = (
        texts
        if not missing.any()
        else pa.array(np.where(missing, None, texts.to_numpy(zero_copy_only=False)), pa.string())
    )
    if kind.type == "date":
        days = columns.each(there, lambda text: columns.day(text, day_first=kind.day_first))
        return days, np.isnan(days) & ~missing
    places = {level: float(place) for place, level in enumerate(kind.levels)}
    return columns.each(there, lambda text: places[columns.level(text)]), good
