"""What is told of a reading while it goes on."""

from collections.abc import Iterable, Sequence
from typing import Any

from models.data.reading.adding.base import Base
from models.data.reading.excerpt import Excerpt


class Told:
    """Collects what a file was taken for, what was left out or dropped, and what should be looked at.

    `excerpt` bounds how much of the file is read; None where all of it is. `base` is the version to which its examples
    are appended, if they are: they are read as its own were.
    """

    def __init__(self, excerpt: Excerpt | None = None, base: Base | None = None) -> None:
        self.excerpt = excerpt
        self.base = base
        self.taken_for: dict[str, Any] = {}
        self.notes: list[dict[str, Any]] = []
        self.columns: list[dict[str, Any]] = []
        self.left_out: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []

    @property
    def has_more(self) -> bool:
        """Whether more of the file follows than was read: what is not there may be there later."""
        return self.excerpt is not None and self.excerpt.has_more

    def note(self, what: str, detail: str) -> None:
        """Tell what was understood, in a sentence."""
        self.notes.append({"what": what, "detail": detail})

    def leave_out(self, column: str, why: str) -> None:
        """Tell of a column that no network will see."""
        self.left_out.append({"column": column, "why": why})

    def drop(self, why: str, count: int, examples: Sequence[tuple[str, str]]) -> None:
        """Tell of examples that were dropped; of some of them where, and what stood there."""
        shown = [{"where": where, "text": text} for where, text in examples]
        self.dropped.append({"why": why, "count": count, "examples": shown})

    def warn(self, kind: str, detail: str, examples: Iterable[str] = ()) -> None:
        """Tell of what may be wrong."""
        self.warnings.append({"kind": kind, "detail": detail, "examples": list(examples)})

    def document(self, examples: int, classes: Iterable[tuple[str, int]]) -> dict[str, Any]:
        """Give the reading as JSON takes it."""
        part = []
        if self.excerpt is not None and self.excerpt.has_more:
            part = [{"what": "part", "detail": self.excerpt.sentence()}]
        return {
            "taken_for": self.taken_for,
            "notes": [*part, *self.notes],
            "examples": examples,
            "classes": [{"name": name, "examples": count} for name, count in classes],
            "columns": self.columns,
            "left_out": self.left_out,
            "dropped": self.dropped,
            "warnings": self.warnings,
        }
