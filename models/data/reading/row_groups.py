"""Some rows of a Parquet file, from row groups all over it: what is sorted by class shows more than its first class.

Source of the layout: https://parquet.apache.org/docs/file-format/
"""

import pyarrow as pa
import pyarrow.parquet
from pyarrow.parquet import ParquetFile

from models.data.reading.excerpt import Excerpt

Piece = tuple[int, pa.Table]
"""How many rows of the file stand before these, and the rows."""

_NUMBER = 4  # bytes of an extent, for each cell of a row
_GROUPS = 16
_UNPACKED = 8  # times the extent: of each group the first pages are unpacked, which may be all of it
_LEAST = 1000  # of the first group, by which is told what the columns are for


def some(file: ParquetFile, excerpt: Excerpt, columns: int) -> list[Piece] | None:
    """Read some rows of all columns, `columns` cells in each, in the file's order; None where it is to be read whole.

    A file of one row group, or of few large ones, is looked at where these begin.
    """
    about = file.metadata
    sizes = [about.row_group(group).total_byte_size for group in range(about.num_row_groups)]
    counts = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    total = sum(counts)
    per_row = max(_NUMBER * columns, sum(sizes) // max(1, total))
    most = min(excerpt.extent.examples, max(1, excerpt.extent.bytes // per_row))
    if total <= most:
        return None
    groups = [group for group, count in enumerate(counts) if count]
    fit = max(1, min(_GROUPS, _UNPACKED * excerpt.extent.bytes // max(1, *sizes), most // 10))
    chosen = groups if len(groups) <= fit else _spread(groups, fit)
    pieces = list[Piece]()
    for place, group in enumerate(chosen):
        left = (most - sum(piece.num_rows for _, piece in pieces)) // (len(chosen) - place)
        least = min(_LEAST, most) if not pieces else 0
        rows = _first(file, group, max(least, left))
        pieces.append((sum(counts[:group]), rows))
    excerpt.taken = "start" if len(chosen) == 1 else "throughout"
    excerpt.ends(sum(piece.num_rows for _, piece in pieces), of_examples=total)
    return pieces


def _spread(groups: list[int], count: int) -> list[int]:
    """Give so many of the groups, the first, the last and others at equal distances."""
    last = len(groups) - 1
    return groups[:1] if count == 1 else [groups[round(place * last / (count - 1))] for place in range(count)]


def _first(file: ParquetFile, group: int, rows: int) -> pa.Table:
    taken, batches = 0, list[pa.RecordBatch]()
    for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
        batches.append(batch.slice(0, rows - taken))
        taken += batch.num_rows
        if taken >= rows:
            break
    return pa.Table.from_batches(batches)
