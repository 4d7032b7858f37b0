"""Splits that were prepared once are kept in files, and mapped by every process of the machine that asks for the same.

A folder for each, of .npy files and a page about them, by the digest of all that decides its bits. Nothing depends on
it: whatever is deleted, damaged or for want of room not written is prepared again.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_ABOUT = "about.json"
_BEING_WRITTEN = ".new-"
_SHARE = 10
"""Of what is free, no more than one part of so many is taken: jobs and models come first."""

_ABANDONED_SECONDS = 3600.0
"""What was begun so long ago and is not whole, somebody has left who was killed."""


def _always(_: int) -> bool:
    return True


@dataclass(frozen=True)
class SplitCache:
    """What is kept in `folder`, of at most so many bytes; those used last stay.

    `has_room` says whether so many bytes may be written to its disk.
    """

    folder: Path
    most_bytes: int
    has_room: Callable[[int], bool] = field(default=_always, compare=False)

    def find(self, decided_by: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays] | None:
        """Map what is kept under what decides it, with what was noted beside; None where nothing whole is there.

        The arrays are this process's own to write to; what is written is seen by nobody else.
        """
        place = self._place(decided_by)
        try:
            about = json.loads((place / _ABOUT).read_bytes())
            arrays = {name: _mapped(place / f"{name}.npy", *form) for name, form in about["arrays"].items()}
            os.utime(place)
            noted: dict[str, Any] = about["noted"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            shutil.rmtree(place, ignore_errors=True)  # what is damaged would be in the way
            return None
        return noted, arrays

    def keep_meanwhile(
        self, decided_by: Mapping[str, Any], noted: Mapping[str, Any], arrays: Callable[[], Arrays]
    ) -> None:
        """Write down what `arrays` gives, see `keep`, while whoever has them goes on, and leaves them as they are."""
        threading.Thread(target=lambda: self.keep(decided_by, noted, arrays()), name="split-cache").start()

    def keep(self, decided_by: Mapping[str, Any], noted: Mapping[str, Any], arrays: Arrays) -> None:
        """Write arrays down, whole or not at all, and remove what was used longest ago and is too much.

        Files that others have mapped are removed, and never cut: they have them for as long as they look.
        """
        size = sum(array.nbytes for array in arrays.values())
        if not self.most_bytes or size > self.most_bytes or not self.has_room(size):
            return
        with suppress(OSError):  # no room, or not to be written to: it is prepared again
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if shutil.disk_usage(self.folder).free < _SHARE * size:
                return
            self._make_room(size)
            beside = Path(tempfile.mkdtemp(prefix=_BEING_WRITTEN, dir=self.folder))
            try:
                about = {"noted": noted, "arrays": {name: _form(array) for name, array in arrays.items()}}
                for name, array in arrays.items():
                    with (beside / f"{name}.npy").open("xb") as file:
                        np.save(file, array, allow_pickle=False)
                        file.flush()
                        os.fsync(file.fileno())
                with (beside / _ABOUT).open("x") as page:
                    json.dump(about, page)
                    page.flush()
                    os.fsync(page.fileno())
                beside.rename(self._place(decided_by))
            finally:
                # Somebody else was faster, or there was no room.
                shutil.rmtree(beside, ignore_errors=True)

    def _place(self, decided_by: Mapping[str, Any]) -> Path:
        canonical = json.dumps(decided_by, sort_keys=True, separators=(",", ":"))
        return self.folder / hashlib.sha256(canonical.encode()).hexdigest()

    def _make_room(self, more: int) -> None:
        kept = []
        for place in self.folder.iterdir():
            with suppress(OSError):
                used_at = place.stat().st_mtime
                if not place.name.startswith(_BEING_WRITTEN):
                    kept.append((used_at, place, sum(file.stat().st_size for file in place.iterdir())))
                elif time.time() - used_at > _ABANDONED_SECONDS:
                    shutil.rmtree(place, ignore_errors=True)
        total = sum(size for _, _, size in kept) + more
        for _, place, size in sorted(kept, key=lambda one: one[0]):
            if total <= self.most_bytes:
                break
            # What is half removed lacks its page first, and is nobody's any more.
            (place / _ABOUT).unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            total -= size


def _form(array: NDArray[Any]) -> tuple[str, list[int]]:
    return array.dtype.str, list(array.shape)


def _mapped(path: Path, dtype: str, shape: list[int]) -> NDArray[Any]:
    """Map an array; raises ValueError or OSError where it is not whole, or another."""
    is_empty = 0 in shape  # of nothing there is no map
    array: NDArray[Any] = np.asarray(np.load(path, mmap_mode=None if is_empty else "c", allow_pickle=False))
    if _form(array) != (dtype, shape):
        raise ValueError(f"{path.name} is another array")
    return array
