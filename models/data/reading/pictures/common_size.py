"""The one size that pictures of a data set are brought to, where nobody says it."""

from collections import Counter

from models.data.schema import MAX_SIDE

MOST_PIXELS = 128 * 128
"""Of pictures that are all of one size, up to which they are kept as they are: times three, and a hundred units of a
first layer, they make five million parameters, of the ten that a network may have."""

MOST_SIDE = 64
"""Of others, the longer side, at most."""


def of(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """Give the height and width for pictures of these sizes, by how often each is there."""
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        if height * width <= MOST_PIXELS and max(height, width) <= MAX_SIDE:
            return height, width
    height, width = (_median(Counter({size[side]: 0 for size in sizes}), sizes, side) for side in (0, 1))
    scale = min(1.0, MOST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _median(counts: Counter[int], sizes: Counter[tuple[int, int]], side: int) -> int:
    for size, count in sizes.items():
        counts[size[side]] += count
    middle, seen = counts.total() // 2, 0
    for length in sorted(counts):
        seen += counts[length]
        if seen > middle:
            break
    return length
