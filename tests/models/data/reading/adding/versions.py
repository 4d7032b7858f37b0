"""Versions of a data set as readings leave them: each in a folder, appended to the one before it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from models.data.examples import Examples
from models.data.reading.adding.base import Base
from models.data.reading.found import Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.stored import Stored
from tests.models.data.reading.forms import digits, lines


@dataclass
class Versions:
    """Reads files one after the other; `found` and `examples` are those of the newest version."""

    folder: Path
    base: Base | None = None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def read(self, data: bytes, **options: object) -> tuple[Found, Examples]:
        """Read the next version; nothing has changed if that cannot be."""
        number = next(self.numbers)
        folder = self.folder / str(number)
        folder.mkdir()
        (folder / "file").write_bytes(data)
        its = Options.model_validate(options)
        found = read(folder / "file", folder, its, base=self.base, progress=lambda *_: None)
        files = {name: folder / name for name in found.files}
        if self.base is not None:
            files |= {name: self.base.files[name] for name in found.shared}
        examples = Stored(tuple(files.items()), found.schema).load()
        assert examples.digest == found.sha256
        assert found.examples == len(examples.labels) == found.reading["examples"]
        self.base = Base(f"letters/{number}", files, found.schema, found.reading, found.levels)
        return found, examples

    def faults(self, data: bytes, **options: object) -> list[str]:
        """Give the faults of a file that cannot be appended, a sentence each."""
        before = self.base
        with pytest.raises(UnreadableError) as caught:
            self.read(data, **options)
        assert self.base is before
        faults = caught.value.faults
        assert all(fault.where and fault.detail and fault.remedy for fault in faults)
        return [f"{fault.where}: {fault.detail}; {fault.remedy}" for fault in faults]


@contextmanager
def versions(*files: bytes, **options: object) -> Iterator[Versions]:
    """Give a data set that has grown by these files, each read with the same options."""
    with tempfile.TemporaryDirectory() as name:
        made = Versions(Path(name))
        for data in files:
            made.read(data, **options)
        yield made


def noted(found: Found, what: str) -> str:
    """Give the notes of one kind."""
    return " | ".join(note["detail"] for note in found.reading["notes"] if note["what"] == what)


def pictures(rows: Sequence[int], *, header: bool = True, scale: float = 1, label: object = None) -> bytes:
    """Write some of the digits as a CSV, a label and 784 pixels each; another label, and other numbers, if wished."""
    images, labels = digits()
    names = ["label", *(f"pixel{place}" for place in range(784))]
    body = [
        [
            int(labels[row]) if label is None else label,
            *((pixel if scale == 1 else pixel * scale) for pixel in images[row].ravel().tolist()),
        ]
        for row in rows
    ]
    return lines(body, names if header else None)
