"""Arrays of which is known what they hold become examples: pictures of one form, or the rows of a table.

Legend of shapes: N examples.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data.reading import inapplicable, parts, roles, source_examples
from models.data.reading.arrays import axes, label_arrays, pairing
from models.data.reading.arrays.array import Array
from models.data.reading.arrays.blocks import Block, Blocks
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.grid import LEAST, Grid
from models.data.reading.options import Options
from models.data.reading.source import Progress
from models.data.reading.told import Told
from models.data.schema import Images


def of(
    arrays: Sequence[Array], folder: Path, options: Options, told: Told, progress: Progress, *, size: int,
    name: str | None, given: list[str] | None = None, is_idx: bool = False,
) -> Found:  # fmt: skip
    """Read arrays as examples with labels; raises UnreadableError where they are none.

    `size` is that of the file in bytes, `given` the names of the classes by number, `is_idx` whether the arrays are of
    IDX files.
    """
    inapplicable.refuse(options, inapplicable.OF_TEXTS, "the file holds arrays, which have none")
    pairs, options = pairing.find(arrays, options, told)
    first = pairs.pairs[0].values
    found = [axes.of(pair.values, _own(options, told)) for pair in pairs.pairs]
    for pair, its in zip(pairs.pairs, found, strict=True):
        if its.shape != found[0].shape or its.columns != found[0].columns:
            what = f"examples of one data set are of one shape, and these differ: {first.shown}, {pair.values.shown}"
            raise UnreadableError(Fault(pair.values.where, what, "bring them to one shape"))
    if pairs.label is None:
        _require_labels(first, found[0], options, arrays)
    told.taken_for["arrays"] = {pair.values.name: list(pair.values.shape) for pair in pairs.pairs}
    # What is unpacked from the start alone has its first rows looked at, and so have all that stand beside it.
    from_start = told.excerpt is not None and any(pair.values.first is not None for pair in pairs.pairs)
    blocks = [
        _block(pair, its, is_idx, told, from_start=from_start) for pair, its in zip(pairs.pairs, found, strict=True)
    ]
    if told.excerpt is not None and told.excerpt.has_more:
        every = sum(pair.values.shape[0] for pair in pairs.pairs)
        told.excerpt.ends(sum(block.count for block in blocks), of_examples=every)
    for sentence in dict.fromkeys(its.told for its in found if its.told):
        told.note("order of channels", sentence)
    source = Blocks(blocks, found[0].columns, pairs.label, progress, size)
    if given is None and pairs.names is not None:
        given = label_arrays.of(pairs.names.require())[0].to_pylist()
        told.note("classes", f"{pairs.names.name!r} names the classes, by number from 0")
    return examples(source, found[0].shape, pairs, folder, options, told, name=name, given=given)


def examples(
    source: Blocks, shape: tuple[int, int, int] | None, pairs: pairing.Pairs, folder: Path, options: Options,
    told: Told, *, name: str | None, given: list[str] | None, why: str | None = None,
) -> Found:  # fmt: skip
    """Write the rows of a source of which the shape of one example is known (and why), or is found by its columns."""
    names = [pair.values.name for pair in pairs.pairs]
    if source.part is not None and options.split is not None:
        what = f"`split` was said, and the names of the arrays say which part they are: {', '.join(names)}"
        raise UnreadableError(Fault("split", what, "leave it out"))
    holders = [pair.labels.name for pair in pairs.pairs if pair.labels is not None]

    def settle(collected: parts.Parts, told: Told) -> NDArray[np.uint8] | None:
        if source.part is None:
            return collected.settle(told)
        its = collected.collected()
        if not len(its):
            return None  # that there are no examples is said by whoever counts them
        if told.base is None and parts.only_part(its) is not None:
            told.note("split", f"all examples are those of {', '.join(names)}: parts are drawn from them")
            return None
        said = f"the names of the arrays say which part each is: {', '.join(names)}"
        return parts.settled(
            its, told, by={"arrays": names}, said=said, where="arrays",
            remedy="send those to learn from as well, with train in their name",
        )  # fmt: skip

    if pairs.label is None:
        return source_examples.of(source, folder, options, told, name=name, given=given, settle=settle)
    about = {
        "column": pairs.label,
        "place": None,
        "arrays": holders,
        "why": f"the labels stand in {', '.join(holders)}",
    }
    if shape is None:
        # A column of that name is the label, whatever stands in others.
        options = options.model_copy(update={"label": source.label})
        try:
            return source_examples.of(source, folder, options, told, name=name, given=given, settle=settle)
        finally:
            told.taken_for["label"] = about
    height, width, channels = shape
    if options.transpose:
        height, width = width, height
    told.taken_for["label"] = about
    told.taken_for["kind"] = "images"
    told.note("kind", why or f"each example is a picture: it has height and width in {', '.join(names)}")
    inapplicable.refuse(options, ("ignore",), "it names no array; pictures have no columns")
    grid = Grid(tuple(range(math.prod(shape))), height, width, channels)
    its_roles = roles.Roles(source.label, source.part, grid, ())
    return source_examples.pictures(
        source, its_roles, grid, folder, options, told, name=name, given=given, settle=settle
    )


def _own(options: Options, told: Told) -> Options:
    """Give the options without those that are of the version before: whoever joins the two compares them."""
    if told.base is None or not isinstance(told.base.schema, Images):
        return options
    schema = told.base.schema
    update: dict[str, Any] = {"size": None} if options.size == (schema.height, schema.width) else {}
    update |= {"channels": None} if options.channels == schema.channels else {}
    return options.model_copy(update=update)


def _block(pair: pairing.Pair, its: axes.Axes, is_idx: bool, told: Told, *, from_start: bool) -> Block:
    labels: pa.Array | None = None
    if pair.labels is not None:
        labels, how = label_arrays.of(pair.labels, is_idx=is_idx)
        if how is not None:
            told.note("label", how)
    array = pair.values
    if told.excerpt is not None and from_start:
        count = told.excerpt.most(array.form.size // max(1, array.shape[0]), of=array.shape[0])
        its_values = array.load()[:count] if array.first is None else array.first(count)
        return Block(
            count, partial(_chunks, its_values, its, np.arange(count)), None if labels is None else labels[:count],
            pair.part, lambda row: f"row {row + 1} of {array.where}",
        )  # fmt: skip
    values = array.load()
    if told.excerpt is not None and len(values):
        rows = np.array(told.excerpt.some([values[0].nbytes] * len(values), most=len(values)), np.intp)
        if len(rows) < len(values):
            some = None if labels is None else labels.take(pa.array(rows))
            return Block(
                len(rows), lambda at_once: _chunks(values, its, rows, at_once), some, pair.part,
                lambda row: f"row {int(rows[row]) + 1} of {array.where}",
            )  # fmt: skip

    def chunks(at_once: int) -> Iterator[NDArray[Any]]:
        for start in range(0, len(values), at_once):
            yield its.flat(values[start : start + at_once])

    return Block(len(values), chunks, labels, pair.part, lambda row: f"row {row + 1} of {array.where}")


def _chunks(values: NDArray[Any], its: axes.Axes, rows: NDArray[np.intp], at_once: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), at_once):
        yield its.flat(values[rows[start : start + at_once]])


def _require_labels(array: Array, its: axes.Axes, options: Options, arrays: Sequence[Array]) -> None:
    """Refuse pictures alone, and labels alone."""
    is_square = options.label is None and its.columns in _SQUARES
    if its.shape is not None or its.columns < 2 or is_square:
        alone = "labels" if label_arrays.may_be(array) else "examples"
        likely = (one for one in arrays if label_arrays.may_be(one) and not one.fault)
        if alone == "examples" and (labels := next(likely, array)).shape[0] != array.shape[0]:
            raise pairing.unequal(array, labels)
        other = "examples" if alone == "labels" else "labels"
        raise UnreadableError(
            Fault(
                array.where,
                f"it holds {alone} alone: {array.shown}, and no {other} beside them",
                "send both together: in one NPZ, as numpy.savez(FILE, images=..., labels=...), in one ZIP, or as two "
                "parts of one form"
                + (
                    "; if a column of it holds the labels, say its place: label=0"
                    if is_square and its.shape is None
                    else ""
                ),
            )
        )


_SQUARES = frozenset(side * side * channels for side in range(math.isqrt(LEAST), 257) for channels in (1, 3))
