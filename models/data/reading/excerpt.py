"""The first part of a file, where no more of it is looked at: how much that is at most, and how much it was.

What holds of all rows of a file holds of its first part; the other way round it does not. Where a reading refuses for
want of something, as of a second class, it tells of that instead when `has_more` is true: it may be found later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Extent:
    """So many examples of a file are looked at, or bytes of what they stand in, unpacked: whichever comes first."""

    examples: int = 20_000
    bytes: int = 16 * 2**20


class Excerpt:
    """Bounds how much of a file is read, and keeps how much it was; `has_more` once it is known that more follows."""

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.has_more = False
        self.taken: Literal["start", "throughout"] = "start"
        self.examples: int | None = None
        self.of_examples: int | None = None
        self.bytes: int | None = None

    def is_enough(self, examples: int, size: int) -> bool:
        """Whether nothing more is to be read after so many examples, and bytes that they stood in, unpacked."""
        return examples >= self.extent.examples or size >= self.extent.bytes

    def some(self, sizes: Sequence[int], *, most: int) -> list[int]:
        """Choose among things of so many bytes each, as the members of an archive; gives their places, in order.

        Not more than `most`, nor than fit into the extent, at equal distances. Where they are not all, that is told.
        """
        count, total = len(sizes), sum(sizes)
        fit = min(count, most, self.extent.examples, max(1, count * self.extent.bytes // max(1, total)))
        if fit == count:
            return list(range(count))
        self.taken = "throughout"
        self.ends(fit, of_examples=count)
        return [place * count // fit for place in range(fit)]

    def most(self, size: int, *, of: int) -> int:
        """Tell how many of the first examples are looked at, of so many bytes each; that more follow is told."""
        count = min(of, self.extent.examples, max(1, self.extent.bytes // max(1, size)))
        if count < of:
            self.ends(count, of_examples=of)
        return count

    def ends(self, examples: int, *, of_examples: int | None = None, size: int | None = None) -> None:
        """Tell that more follows after so many examples: of how many, and of which bytes of the file, if known."""
        self.has_more = True
        self.examples, self.of_examples, self.bytes = examples, of_examples, size

    def sentence(self) -> str:
        """Say what was looked at, and that no more was."""
        count = "" if self.examples is None else f"{self.examples:,} "
        of = "" if self.of_examples is None else f" of {self.of_examples:,}"
        where = "the first" if self.taken == "start" else "from all over the file"
        rows = f"{where} {count}examples{of}" if self.taken == "start" else f"{count}examples{of} {where}"
        return f"{rows} were looked at: counts, classes, scale, and what is said of all rows hold for those alone"

    def document(self, examples: int | None) -> dict[str, Any]:
        """Give what was looked at as JSON takes it; `examples` are those of a file that was looked at whole."""
        return {
            "whole": not self.has_more,
            "taken": self.taken if self.has_more else "all",
            "examples": self.examples if self.has_more else examples,
            "of_examples": self.of_examples if self.has_more else examples,
            "bytes": self.bytes,
        }
