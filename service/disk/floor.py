"""How much of a disk stays free: below that, nothing is taken in that makes what is kept grow.

What is kept free is for those who are under way: jobs that train come to their end, and what is deleted is deleted.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.errors import NoRoom
from service.settings import Settings

USUAL_BYTES = 2**30
USUAL_SHARE = 0.05
"""Unless a setting says otherwise, so much stays free, or this share of a small disk."""

_USUAL_FILES = 10_000


@dataclass(frozen=True)
class Floor:
    """The free space of the disks that programs write to, asked of the system each time: that takes microseconds."""

    folders: Mapping[str, Path]
    """By what lies there; whatever is not there yet will be made on the disk of the folder above it."""
    bytes: int | None
    """What stays free on each disk; None for the usual."""

    @classmethod
    def of(cls, settings: Settings, database: Path | None) -> "Floor":
        """Watch the disk of the files, and that of the database if it is a file."""
        folders = {"files": settings.artifacts} | ({} if database is None else {"database": database.parent})
        return cls(folders, settings.disk_floor_bytes)

    def require(self, *, more: int = 0) -> None:
        """Raise NoRoom if a disk has less free than is to stay free, or would have with so many more bytes."""
        if (why := self.shortage(more=more)) is not None:
            raise NoRoom(
                f"{why}; nothing more is taken in, what runs goes on. Delete what is not needed: `tenfold gc`, "
                "DELETE /jobs/{id}, /sweeps/{id}, /uploads/{id}, /datasets/{name}, /models/{name}/versions/{version}"
            )

    def shortage(self, *, more: int = 0) -> str | None:
        """Say which disk has too little free, if one has."""
        for what, folder in self.folders.items():
            disk = _disk_of(folder)
            if disk is None or self.bytes == 0:
                continue
            free = disk.f_bavail * disk.f_frsize
            kept = self._kept(disk)
            if free - more < kept:
                asked = f" and {_written(more)} are to be written" if more else ""
                return (
                    f"the disk of the {what} has {_written(free)} free{asked}; {_written(kept)} are kept free "
                    "(TENFOLD_DISK_FLOOR_BYTES)"
                )
            # File systems that do not count their files say 0.
            if disk.f_files and disk.f_favail < min(_USUAL_FILES, USUAL_SHARE * disk.f_files):
                return f"the disk of the {what} has room for only {disk.f_favail:,} more files"
        return None

    def unwritable(self) -> str | None:
        """Say which folder cannot be written to, if that is known before it is tried."""
        for what, folder in self.folders.items():
            there = _nearest(folder)
            disk = _disk_of(folder)
            if disk is not None and disk.f_flag & os.ST_RDONLY:
                return f"the disk of the {what} is mounted read-only"
            if not os.access(there, os.W_OK | os.X_OK):
                return f"the folder of the {what} may not be written to"
        return None

    def _kept(self, disk: os.statvfs_result) -> int:
        if self.bytes is not None:
            return self.bytes
        return min(USUAL_BYTES, int(USUAL_SHARE * disk.f_blocks * disk.f_frsize))


def _nearest(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _disk_of(folder: Path) -> os.statvfs_result | None:
    """Look at the disk on which a folder lies or will lie; None where the system does not say."""
    for path in (folder, *folder.parents):
        try:
            return os.statvfs(path)
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def _written(count: int) -> str:
    """Write a number of bytes as people read it."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
