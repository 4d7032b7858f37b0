"""What comes of reading a file: examples and what they were taken for, or faults."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.data.schema import Images, Table

MOST_FAULTS = 20


@dataclass(frozen=True)
class Fault:
    """What keeps a file from being read: where (line, row, column or member), what it is, and what to do."""

    where: str
    detail: str
    remedy: str


class UnreadableError(ValueError):
    """A file that cannot be read; `faults` say why, at most twenty of them."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults[:MOST_FAULTS]
        first = faults[0]
        super().__init__(f"{first.where}: {first.detail}; {first.remedy}")

    def as_dicts(self) -> list[dict[str, str]]:
        """Give the faults as JSON takes them."""
        return [asdict(fault) for fault in self.faults]


@dataclass(frozen=True)
class Found:
    """What was read: the schema, how many examples, the digest of the content, and the reading, which JSON takes.

    The arrays lie in the folder that was given, in the files that `models.data.stored` names. Of examples that were
    appended, `shared` names the files of the version before that are this one's as well, `added` counts them, and
    `levels` counts each of the numbers 0 to 255 among the pixels of all, uint8.
    """

    schema: Images | Table
    examples: int
    sha256: str
    reading: Mapping[str, Any]
    files: Sequence[str]
    shared: Sequence[str] = ()
    added: int | None = None
    levels: Sequence[int] | None = None
