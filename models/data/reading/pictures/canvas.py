"""The array of all pictures while it is written: grey until the first one in colour comes."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.reading import npy
from models.data.reading.found import Fault, UnreadableError

_AT_ONCE = 2**24


class Canvas:
    """Writes pictures of one height and width, uint8 [N, height, width] or [N, height, width, 3]."""

    def __init__(self, folder: Path, size: tuple[int, int], channels: Literal[1, 3] | None, count: int) -> None:
        self._path, self.size, self._count = folder / stored.VALUES, size, count
        self.channels: Literal[1, 3] = channels or 1
        self._check()
        self._writer = npy.Writer(self._path, np.dtype(np.uint8), self._shape)

    def __enter__(self) -> "Canvas":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.__exit__()

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.size if self.channels == 1 else (*self.size, 3)

    def add(self, pixels: bytes, channels: list[int]) -> None:
        """Write pictures that stand one after the other, of each of which the number of channels is given."""
        if self.channels == 1 and 3 in channels:
            self._colour()
        start, one = 0, self.size[0] * self.size[1]
        flat = np.frombuffer(pixels, np.uint8)
        at = 0
        while at < len(channels):
            end = at
            while end < len(channels) and channels[end] == channels[at]:
                end += 1
            stop = start + (end - at) * one * channels[at]
            self._write(flat[start:stop].reshape(end - at, *self.size, channels[at]))
            start, at = stop, end

    def _write(self, pictures: NDArray[np.uint8]) -> None:
        if self.channels == 1:
            pictures = pictures[..., 0]
        elif pictures.shape[-1] == 1:
            pictures = np.repeat(pictures, 3, axis=-1)
        self._writer.append(pictures)

    def _colour(self) -> None:
        """Write what was grey anew, with three channels that are the same."""
        self._writer.__exit__()
        grey = self._path.with_suffix(".grey")
        self._path.replace(grey)
        self.channels = 3
        self._check()
        self._writer = npy.Writer(self._path, np.dtype(np.uint8), self._shape)
        before = np.load(grey, mmap_mode="r", allow_pickle=False)
        at_once = max(1, _AT_ONCE // (self.size[0] * self.size[1]))
        for start in range(0, len(before), at_once):
            self._writer.append(np.repeat(before[start : start + at_once, ..., None], 3, axis=-1))
        grey.unlink()

    def _check(self) -> None:
        height, width = self.size
        needed = self._count * height * width * self.channels
        if needed <= npy.MOST_BYTES:
            return
        scale = (npy.MOST_BYTES / needed) ** 0.5
        smaller = [max(1, int(side * scale)) for side in self.size]
        raise UnreadableError(
            Fault(
                "file",
                f"{self._count:,} pictures of {height} x {width} pixels take {needed / 2**30:.1f} GiB, more than "
                f"{npy.MOST_BYTES // 2**30}",
                f"have them made smaller: size={smaller}",
            )
        )
