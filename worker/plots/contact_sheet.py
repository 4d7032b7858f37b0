"""Draws what there is to learn from: some pictures of a data set, or the columns of a table by class."""

import numpy as np
from numpy.typing import NDArray

from models.data import shown
from models.data.examples import Examples
from models.data.schema import Images
from worker.plots.histograms import histograms
from worker.plots.lettering import names, widest
from worker.plots.style import LARGE, NORMAL, SMALL, notice, png, titled
from worker.plots.tiles import tiles

PICTURES = 64

_SEED = 0  # the same examples every time
_SHORT = 0.5  # inches of a name that finds room above a small tile
_SMALL_TILE, _LARGE_TILE = 84, 150  # pixels of the picture; of the small ones, 28 by 28 of which each is 3 by 3


def look(examples: Examples, name: str, *, of: int | None = None) -> bytes:
    """Draw 64 pictures of a data set, at random, each under its class; of a table each column's histogram by class.

    Each of the first 64 classes has a picture at least. `of` tells how many there are, where these are some of them.
    """
    if not len(examples.labels):
        return notice("There are no examples.", name)
    if isinstance(examples.schema, Images):
        return _pictures(examples, examples.schema, name, of or len(examples.labels))
    return histograms(examples.values, examples.labels, examples.schema, name)


def _pictures(examples: Examples, schema: Images, name: str, of: int) -> bytes:
    rows = chosen(examples.labels)
    called = names(schema.classes, 1.15, SMALL)
    captions = [called[label] for label in examples.labels[rows]]
    title = f"{len(rows)} of {of:,}: {name}"
    is_small = widest(captions, SMALL) < _SHORT and max(schema.height, schema.width) <= _SMALL_TILE
    side, dpi, head = (_SMALL_TILE, 200, 0.42) if is_small else (_LARGE_TILE, 150, 0.6)
    down, across = (27, 27) if is_small else (34, 32)
    # One by one: large pictures are small before the next one is read.
    factor = -(-max(schema.height, schema.width) // side)
    pictures = [shown.smaller(shown.pictures(examples.values[[row]], schema), factor)[0] for row in rows]
    size = pictures[0].shape[:2]
    high = max(side // max(size) * size[0], 16)
    if is_small and high != side:
        down += 7  # a square of all that is drawn is not to be had anyway
    width = 5.0 if is_small else 10.0
    height = width if is_small and high == side else head + 0.15 + (high + down) * -(-len(rows) // 8) / dpi
    figure = titled(title, width=width, height=height, dpi=dpi, size=NORMAL if is_small else LARGE)
    ink = schema.preparation == "digits"
    tiles(figure, pictures, captions, columns=8, tile=(high, side), gap=(down, across), head=head, ink=ink)
    return png(figure)


def chosen(labels: NDArray[np.int64]) -> NDArray[np.intp]:
    """Choose the rows of `PICTURES` examples at random, or of all: the first ones drawn, and one of each class."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    firsts = np.sort(first[:PICTURES])
    others = np.setdiff1d(np.arange(len(order)), firsts)[: max(PICTURES - len(firsts), 0)]
    return order[np.sort(np.append(firsts, others))]
