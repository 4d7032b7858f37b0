"""The end of every reading: classes in their order, the scale of pixels, the schema, doubts, and the digest.

Legend of shapes: N examples.
"""

from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.examples import Examples
from models.data.reading import doubts, ground, hashes, scale
from models.data.reading.adding import alike, joined
from models.data.reading.classes import Labels
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import Images, Table

S = TypeVar("S", Images, Table)


def pictures(
    labels: Labels,
    parts: NDArray[np.uint8] | None,
    shape: tuple[int, int, int],
    folder: Path,
    options: Options,
    told: Told,
    *,
    order: Literal["rows", "columns"] = "rows",
    name: str | None = None,
    given: list[str] | None = None,
) -> Found:
    """Make a data set of the pictures that were written into the folder: uint8 or float32 [N, height, width(, 3)].

    `shape` is height, width and channels, `parts` uint8 [N], `order` how the pixels stood in the file, `name` what the
    file's sender called it, `given` the names of the classes by number, where the file carries them. Raises
    UnreadableError.
    """
    if told.base is not None:
        return joined.pictures(
            told.base, labels, parts, shape, folder, options, told, order=order, name=name, given=given
        )
    height, width, channels = shape
    names, numbers = labels.finish(options, told, given)
    its_scale, steps = scale.settle(folder / stored.VALUES, options.scale, told, decoded="pictures" in told.taken_for)
    values = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    preparation = ground.preparation(values, its_scale, steps, options.preparation, told)
    its_ground = ground.common(values, its_scale, steps) if preparation == "plain" else None
    told.taken_for |= {"size": [height, width], "channels": channels, "order": order}
    colours = "grey" if channels == 1 else "red, green and blue side by side"
    turned = "column by column" if order == "columns" else "row by row"
    told.note("size", f"{height} x {width} pixels, {colours}, {turned}")
    schema = form(
        Images, height=height, width=width, channels=1 if channels == 1 else 3, scale=its_scale, steps=steps,
        preparation=preparation, fit=options.fit or "stretch", ground=its_ground,
        classes=names,
    )  # fmt: skip
    if options.fit is not None and preparation == "plain":
        told.note("fit", f"{options.fit}: so it was said, and holds for pictures that are sent to a network as well")
    if its_ground is not None:
        told.note(
            "ground", f"all pictures are on a {its_ground} ground: one that is sent to a network on the other is turned"
        )
    ground.doubts(values, schema, told, name)
    # Mapped twice, the pages would count twice.
    del values
    return examples(schema, numbers, labels, parts, folder, told, duplicates=options.duplicates)


def examples(
    schema: Images | Table,
    numbers: NDArray[np.int64],
    labels: Labels,
    parts: NDArray[np.uint8] | None,
    folder: Path,
    told: Told,
    *,
    duplicates: Literal["keep", "drop"] | None = None,
) -> Found:
    """Write labels, int64 [N], parts and hashes beside the values, and tell what is doubtful about the examples.

    Of `duplicates` the first is kept alone where that is wished. Raises UnreadableError.
    """
    if told.base is not None:
        # Whoever reads rows joins them to those before by their columns; here nobody has looked at these.
        raise UnreadableError(
            Fault(
                "file", f"a file of this form cannot be appended to a table as {told.base.name} is", "send it as a CSV"
            )
        )
    marks, flat = hashes.of(np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False))
    if duplicates == "drop":
        kept = alike.first_ones(marks, numbers)
        if not kept.all():
            told.drop("an equal example with the same label stands before it", int((~kept).sum()), alike.some(kept))
            alike.keep(folder / stored.VALUES, kept)
            marks, flat, numbers = marks[kept], flat[kept], numbers[kept]
            parts = None if parts is None else parts[kept]
            joined.require_enough(numbers, schema.classes)
    np.save(folder / stored.LABELS, numbers)
    np.save(folder / stored.MARKS, marks)
    files: tuple[str, ...] = (stored.VALUES, stored.LABELS, stored.MARKS)
    if parts is not None:
        np.save(folder / stored.PARTS, parts)
        files += (stored.PARTS,)
    values = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    found = Examples(values, numbers, schema, parts)
    doubts.tell(found, labels.column, told, marks=marks, flat=flat)
    counts = zip(schema.classes, found.class_counts(), strict=True)
    return Found(schema, len(numbers), found.digest, told.document(len(numbers), counts), files)


def form(kind: type[S], **fields: Any) -> S:
    """Make a schema; of a part of a file that shows one class alone it has that one, and no network may have it."""
    return kind(**fields) if len(fields["classes"]) > 1 else kind.model_construct(**fields)
