"""The end of a reading whose examples are appended: checked against those before, and one data set with them.

Legend of shapes: N examples that are appended.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.examples import Examples
from models.data.reading import doubts, ground, hashes, npy
from models.data.reading.adding import alike, divided, renumbered, rescaled
from models.data.reading.adding.base import MOST_SEGMENTS, Base
from models.data.reading.classes import LEAST_EXAMPLES, Labels
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import Images, Table
from models.data.segments import Segments

_OF_THE_WHOLE = frozenset({
    "duplicates", "the same example many times", "equal examples with different labels", "small classes",
    "labels that look like numbers", "imbalance", "gives the label away",
})  # fmt: skip
"""Warnings that are looked into anew; of others, those of the version before hold still."""

_AT_ONCE = 4096
_ADDED = "of what was added: "


def pictures(
    base: Base,
    labels: Labels,
    parts: NDArray[np.uint8] | None,
    shape: tuple[int, int, int],
    folder: Path,
    options: Options,
    told: Told,
    *,
    order: Literal["rows", "columns"],
    name: str | None,
    given: Sequence[str] | None,
) -> Found:
    """Append the pictures that were written into the folder to those of a version; see `finish.pictures`."""
    schema = form(base, options)
    its = (schema.height, schema.width, schema.channels)
    if shape != its:
        raise UnreadableError(
            Fault(
                "size",
                f"its pictures have {_sizes(shape)}, and those of {base.name} {_sizes(its)}",
                f"bring them to {_sizes(its)}, or send all of them as a new data set",
            )
        )
    if options.fit not in (None, schema.fit):
        told.warn(
            "fit",
            f"{options.fit}: so it was said; pictures that are sent to a network are brought to its size by "
            f"{schema.fit}, as those of {base.name} were",
        )
    joint = renumbered.union(schema.classes, len(base.examples.labels), labels, options, told, given)
    rescaled.bring(folder / stored.VALUES, schema, options.scale, told, base.name)
    told.taken_for |= {"size": list(its[:2]), "channels": schema.channels, "order": order}
    told.note("size", f"{schema.height} x {schema.width} pixels, as those of {base.name}")
    values = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    ground.doubts(values, schema, told, name)
    # That all pictures are on one ground is not so any more where those that were added are on another.
    its_ground = schema.ground if ground.common(values, schema.scale, schema.steps) == schema.ground else None
    if its_ground != schema.ground:
        told.note("ground", "those that were added are on another ground: pictures that are sent are turned no more")
    del values
    whole = schema.model_copy(update={"classes": joint.classes, "ground": its_ground})
    return _join(base, whole, joint, labels.column, parts, folder, options, told)


def table(
    base: Base,
    schema: Table,
    labels: Labels,
    parts: NDArray[np.uint8] | None,
    folder: Path,
    options: Options,
    told: Told,
    given: Sequence[str] | None,
) -> Found:
    """Append the rows that were written into the folder to those of a version, by the schema that both have then."""
    joint = renumbered.union(schema.classes, len(base.examples.labels), labels, options, told, given)
    whole = schema.model_copy(update={"classes": joint.classes})
    return _join(base, whole, joint, labels.column, parts, folder, options, told)


def form(base: Base, options: Options) -> Images:
    """Give the form of a version to which pictures can be appended; raises UnreadableError where they cannot.

    It is to be asked before any picture is decoded, which may take minutes.
    """
    schema = base.schema
    if not isinstance(schema, Images):
        raise other_kind(base, "pictures")
    if options.preparation not in (None, schema.preparation):
        raise UnreadableError(
            Fault(
                "preparation",
                f"`{options.preparation}` was said, and {base.name} has `{schema.preparation}`",
                "leave it out: what a network takes in is brought to one form alone",
            )
        )
    return schema


def other_kind(base: Base, what: str) -> UnreadableError:
    """Give the refusal of pictures that are appended to a table, or rows that are to pictures."""
    its = "pictures" if isinstance(base.schema, Images) else "rows of a table"
    return UnreadableError(
        Fault("file", f"it holds {what}, and {base.name} {its}", "send it as a data set of another name")
    )


def require_enough(labels: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Raise UnreadableError where too little is left to train and to validate."""
    if len(labels) < LEAST_EXAMPLES or len(np.unique(labels)) < len(classes):
        what = f"{len(labels)} examples of {len(np.unique(labels))} classes are left without those that are equal"
        raise UnreadableError(Fault("duplicates", what, "take duplicates=drop back, or send more examples"))


def _join(
    base: Base,
    schema: Images | Table,
    joint: renumbered.Union,
    column: str,
    parts: NDArray[np.uint8] | None,
    folder: Path,
    options: Options,
    told: Told,
) -> Found:
    before, labels = joint.places[base.examples.labels], joint.labels
    marks, flat = hashes.of(np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False))
    equal, same = alike.known(marks, labels, base.marks, before)
    sent, twice = len(labels), int(equal.sum())
    if twice:
        other = f", {int((equal & ~same).sum()):,} of them with another label" if (equal & ~same).any() else ""
        told.note("duplicates", f"{twice:,} of {sent:,} examples are equal to ones that were there{other}")
    if options.duplicates == "drop":
        kept = ~same & alike.first_ones(marks, labels)
        if not kept.any():
            told.note("added", f"all {sent:,} examples are in {base.name} already: nothing is added to it")
        if not kept.all():
            told.drop("an equal example with the same label was there before it", int((~kept).sum()), alike.some(kept))
            alike.keep(folder / stored.VALUES, kept)
            marks, flat, labels = marks[kept], flat[kept], labels[kept]
            parts = None if parts is None else parts[kept]
    whole_parts = divided.join(base.examples.parts, parts, len(labels), told, base.name)
    whole = np.concatenate([before, labels])
    values, files, shared = _segments(base, folder, len(whole))
    np.save(folder / stored.LABELS, whole)
    all_marks = np.concatenate([base.marks, marks])
    np.save(folder / stored.MARKS, all_marks)
    files += [stored.LABELS, stored.MARKS]
    if whole_parts is not None:
        np.save(folder / stored.PARTS, whole_parts)
        files.append(stored.PARTS)
    found = Examples(values, whole, schema, whole_parts)
    _take_over(base, told)
    doubts.tell(found, column, told, marks=all_marks, flat=np.concatenate([np.zeros(len(before), bool), flat]))
    added = np.bincount(labels, minlength=len(schema.classes)).tolist()
    about = {
        "to": base.name,
        "examples": len(labels),
        "classes": [
            {"name": name, "examples": count} for name, count in zip(schema.classes, added, strict=True) if count
        ],
        "appeared": [name for name in schema.classes if name not in base.schema.classes],
        "duplicates": twice,
        "dropped": sent - len(labels),
    }
    counts = zip(schema.classes, found.class_counts(), strict=True)
    reading = told.document(len(whole), counts) | {"added": about}
    levels = _levels(base, labels, values)
    return Found(schema, len(whole), found.digest, reading, files, shared, len(labels), levels)


def _segments(base: Base, folder: Path, count: int) -> tuple[NDArray[Any], list[str], list[str]]:
    """Give the values of all, the names of the files that are new, and of those that the version before has as well.

    What is new is a file of its own; when there are many, the later ones become one with it, or all of them do.
    """
    new = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    pieces, names = base.pieces, stored.segments(base.files)
    if new.dtype != pieces[0].dtype:
        raise ValueError(f"the examples of {base.name} are stored as {pieces[0].dtype}, and these as {new.dtype}")
    row_bytes = pieces[0][0].nbytes
    if count > npy.MOST_ROWS or count * row_bytes > npy.MOST_BYTES:
        what = f"{base.name} and it would have {count:,} examples, {count * row_bytes:,} bytes"
        remedy = f"a data set has at most {npy.MOST_ROWS:,} examples, and {npy.MOST_BYTES:,} bytes of them"
        raise UnreadableError(Fault("file", what, remedy))
    if not len(new) and stored.BEFORE not in base.files:
        return base.examples.values, [], names
    shared = len(names)
    if len(names) >= MOST_SEGMENTS or stored.BEFORE in base.files:
        shared = 1 if names and count <= 2 * len(pieces[0]) else 0
    mine = folder / stored.segment(shared)
    if pieces[shared:]:
        together = folder / "together.npy"
        with npy.Writer(together, new.dtype, new.shape[1:]) as writer:
            for piece in (*pieces[shared:], new):
                for start in range(0, len(piece), _AT_ONCE):
                    writer.append(piece[start : start + _AT_ONCE])
        (folder / stored.VALUES).unlink()
        together.rename(mine)
    else:
        (folder / stored.VALUES).rename(mine)
    last = np.load(mine, mmap_mode="r", allow_pickle=False)
    values = last if not shared else cast("NDArray[Any]", Segments([*pieces[:shared], last]))
    return values, [mine.name], names[:shared]


def _levels(base: Base, labels: NDArray[np.int64], values: NDArray[Any]) -> list[int] | None:
    if values.dtype != np.uint8:
        return None
    counts = Examples(values[len(base.examples.labels) :], labels).levels()
    before = base.examples.levels() if base.levels is None else np.asarray(base.levels, np.int64)
    return [int(count) for count in before + counts]


def _take_over(base: Base, told: Told) -> None:
    """Tell what was warned of in the version before, and holds still; of the rest, that it is what was added.

    What was added before that gives way to the same kind of warning of what is added now: else they would be ever more.
    """
    before = [one for one in base.reading.get("warnings", ()) if one["kind"] not in _OF_THE_WHOLE]
    said = {one["detail"] for one in before}
    new = [{**one, "detail": f"{_ADDED}{one['detail']}"} for one in told.warnings if one["detail"] not in said]
    kinds = {one["kind"] for one in new}
    told.warnings[:] = [
        *(one for one in before if one["kind"] not in kinds or not one["detail"].startswith(_ADDED)), *new
    ]  # fmt: skip


def _sizes(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} x {shape[1]} pixels, {'grey' if shape[2] == 1 else 'in colours'}"
