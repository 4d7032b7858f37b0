"""Writes the pictures of many files into one array: all of one size, all grey or all in colour."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.pictures import common_size
from models.data.reading.pictures.canvas import Canvas
from models.data.reading.pictures.decoders import BATCH, BATCH_BYTES, Decoders, processes
from models.data.reading.pictures.outcome import Answer, Broken, Form
from models.data.reading.pictures.summary import Summary
from models.data.reading.source import Progress
from models.data.reading.told import Told

Pictures = Callable[[], Iterator[tuple[str, bytes]]]
"""Gives the name and the bytes of each file, the same whenever it is asked."""


@dataclass(frozen=True)
class Written:
    """Height, width and channels of the pictures, and which of those that were given are among them, bool [count]."""

    shape: tuple[int, int, int]
    kept: NDArray[np.bool_]


class _OtherSizeError(Exception):
    """Not all pictures have the size of the first ones."""


def write(pictures: Pictures, count: int, folder: Path, options: Options, told: Told, progress: Progress) -> Written:
    """Write `count` pictures into the folder, uint8 [N, height, width] or [N, height, width, 3], and tell of them.

    Some that cannot be decoded are left out; raises UnreadableError where they are many.
    """
    if not count:
        raise UnreadableError(Fault("file", "it holds no pictures", "send at least 20"))
    with Decoders(processes(count)) as decoders:
        if options.size is not None:
            return _write(decoders, pictures, count, folder, options, told, progress, options.size, None)
        first = _sizes(decoders, islice(pictures(), BATCH), lambda *_: None)
        if len(first) == 1:
            try:
                only = next(iter(first))
                return _write(decoders, pictures, count, folder, options, told, progress, common_size.of(first), only)
            except _OtherSizeError:
                pass
        sizes = _sizes(decoders, pictures(), progress)
        # Where none has a size, none can be decoded, which is told then.
        size = common_size.of(sizes) if sizes else (1, 1)
        return _write(decoders, pictures, count, folder, options, told, progress, size, None)


def _sizes(decoders: Decoders, pictures: Iterator[tuple[str, bytes]], progress: Progress) -> Counter[tuple[int, int]]:
    """Count the sizes of pictures, by what their headers tell."""
    sizes, read = Counter[tuple[int, int]](), 0
    for batch in decoders.run(pictures, Form(), only_look=True):
        sizes.update((answer.height, answer.width) for answer in batch.answers if isinstance(answer, Answer))
        read += batch.size
        progress(read, 0)
    return sizes


def _write(
    decoders: Decoders,
    pictures: Pictures,
    count: int,
    folder: Path,
    options: Options,
    told: Told,
    progress: Progress,
    size: tuple[int, int],
    only: tuple[int, int] | None,
) -> Written:
    """Write the pictures in one size; raises _OtherSizeError where one is not of the `only` size, if that is given."""
    summary = Summary(count)
    kept = np.zeros(count, bool)
    form = Form(size, options.channels, options.fit or "stretch")
    most = max(1, min(BATCH, BATCH_BYTES // (3 * size[0] * size[1])))
    place = read = 0
    with Canvas(folder, size, options.channels, count) as canvas:
        for batch in decoders.run(pictures(), form, most=most):
            sound = list[Answer]()
            for name, answer in zip(batch.names, batch.answers, strict=True):
                if isinstance(answer, Broken):
                    summary.broken(name, answer)
                elif answer is not None:
                    if only is not None and (answer.height, answer.width) != only:
                        raise _OtherSizeError
                    kept[place] = True
                    sound.append(answer)
                place += 1
            summary.add(sound)
            if sound:
                canvas.add(b"".join(batch.pixels), [answer.channels for answer in sound])
            read += batch.size
            progress(read, place)
    assert place == count, "as many pictures are given as were said"
    shape = (*size, canvas.channels)
    summary.tell(shape, options, told)
    return Written(shape, kept)
