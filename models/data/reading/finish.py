"""The end of every reading: classes in their order, the scale of pixels, the schema, doubts, and the digest.

Legend of shapes: N examples.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.examples import Examples
from models.data.reading import doubts, ground, scale
from models.data.reading.classes import Labels
from models.data.reading.found import Found
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import Images, Table


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
    height, width, channels = shape
    names, numbers = labels.finish(options, told, given)
    its_scale, steps = scale.settle(folder / stored.VALUES, options.scale, told)
    values = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    preparation = ground.preparation(values, its_scale, steps, options.preparation, told)
    told.taken_for |= {"size": [height, width], "channels": channels, "order": order}
    colours = "grey" if channels == 1 else "red, green and blue side by side"
    turned = "column by column" if order == "columns" else "row by row"
    told.note("size", f"{height} x {width} pixels, {colours}, {turned}")
    schema = Images(
        height=height, width=width, channels=1 if channels == 1 else 3, scale=its_scale, steps=steps,
        preparation=preparation, classes=names,
    )  # fmt: skip
    ground.doubts(values, schema, told, name)
    # Mapped twice, the pages would count twice.
    del values
    return examples(schema, numbers, labels, parts, folder, told)


def examples(
    schema: Images | Table,
    numbers: NDArray[np.int64],
    labels: Labels,
    parts: NDArray[np.uint8] | None,
    folder: Path,
    told: Told,
) -> Found:
    """Write labels, int64 [N], and parts beside the values, and tell what is doubtful about the examples."""
    np.save(folder / stored.LABELS, numbers)
    files: tuple[str, ...] = (stored.VALUES, stored.LABELS)
    if parts is not None:
        np.save(folder / stored.PARTS, parts)
        files += (stored.PARTS,)
    values = np.load(folder / stored.VALUES, mmap_mode="r", allow_pickle=False)
    found = Examples(values, numbers, schema, parts)
    doubts.tell(found, labels.column, told)
    counts = zip(schema.classes, found.class_counts(), strict=True)
    return Found(schema, len(numbers), found.digest, told.document(len(numbers), counts), files)
