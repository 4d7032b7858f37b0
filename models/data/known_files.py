"""Files of a built-in data set are known again without being read: while what the system says of them is unchanged.

A file that is written to, replaced or moved gets another time of change, inode or size. The time of change cannot be
set; but two writes within one tick of the file system's clock leave the same. So what is in files is only noted where
they had rested for a while before they were read: a write since then has another time.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data import sources
from models.data.builtin import BUILTIN

RESTED_SECONDS = 3.0
"""More than the coarsest clock of a file system, which is that of FAT with two seconds."""


@dataclass(frozen=True)
class Files:
    """What the system says of the files of a data set, and when it was asked, in seconds since 1970."""

    name: str
    paths: tuple[Path, ...]
    said: tuple[tuple[int, ...], ...]
    asked_at: float

    def decides(self) -> dict[str, Any]:
        """Give what a note of their content is kept under."""
        files = [[str(path), *said] for path, said in zip(self.paths, self.said, strict=True)]
        return {"name": self.name, "files": files}

    def are_settled(self) -> bool:
        """Whether they rested when they were looked at, and are the same now, when they have been read."""
        latest = max(max(said[-2:]) for said in self.said) / 1e9
        try:
            return latest < self.asked_at - RESTED_SECONDS and tuple(map(_said, self.paths)) == self.said
        except OSError:
            return False


def files_of(name: str, folder: Path) -> Files | None:
    """Look at the files of a data set without reading them; None where it has none, or they are not there."""
    builtin = BUILTIN.get(name)
    if builtin is None or builtin.torchvision is None:
        return None
    asked_at = time.time()
    found = sources.find(name, builtin, builtin.files, folder)
    try:
        return None if found is None else Files(name, tuple(found), tuple(map(_said, found)), asked_at)
    except OSError:
        return None


def _said(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
