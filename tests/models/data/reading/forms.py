"""Files in the exact forms that people have, made from what comes with scikit-learn."""

import gzip
import io
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris, load_wine

from models.data import stored
from models.data.examples import Examples
from models.data.reading.found import Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.read import read

SOME = 40


def found_in(data: bytes, **options: object) -> tuple[Found, Examples]:
    """Read a file of these bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(data)
        found = read(folder / "file", folder, Options.model_validate(options), progress=lambda *_: None)
        paths = tuple((file, folder / file) for file in found.files)
        examples = stored.Stored(paths, found.schema).load()
        parts = None if examples.parts is None else np.array(examples.parts)
        kept = Examples(np.array(examples.values), examples.labels, found.schema, parts)
        assert kept.digest == found.sha256
        assert found.examples == len(kept.labels) == found.reading["examples"]
        return found, kept


def faults_of(data: bytes, **options: object) -> list[str]:
    """Give the faults of a file that cannot be read, a sentence each."""
    with pytest.raises(UnreadableError) as caught:
        found_in(data, **options)
    faults = caught.value.faults
    assert all(fault.where and fault.detail and fault.remedy for fault in faults)
    return [f"{fault.where}: {fault.detail}; {fault.remedy}" for fault in faults]


@cache
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Give pictures as MNIST's are, uint8 [SOME, 28, 28], and their labels."""
    loaded = load_digits()
    images = np.zeros((SOME, 28, 28), np.uint8)
    for picture, small in zip(images, loaded.images[:SOME], strict=True):
        large = np.kron(np.minimum(small * 16, 255), np.ones((2, 2))).astype(np.uint8)
        mass = large.sum()
        down = round(14 - float((large.sum(axis=1) @ (np.arange(16) + 0.5)) / mass))
        across = round(14 - float((large.sum(axis=0) @ (np.arange(16) + 0.5)) / mass))
        picture[down : down + 16, across : across + 16] = large
    return images, loaded.target[:SOME].astype(np.int64)


def lines(rows: Sequence[Sequence[object]], header: Sequence[object] | None = None, separator: str = ",") -> bytes:
    """Write rows as text."""
    every = ([header] if header is not None else []) + list(rows)
    return "".join(separator.join(map(str, row)) + "\n" for row in every).encode()


def pixels(
    header: str | None = "pixel",
    *,
    start: int = 0,
    last: bool = False,
    label: str = "label",
    of_label: Callable[[int], object] = int,
    of_pixel: Callable[[int], object] = int,
    separator: str = ",",
    images: NDArray[np.uint8] | None = None,
) -> bytes:
    """Write the digits as a CSV: a label and the pixels in each line."""
    some, labels = digits()
    some = some if images is None else images
    count = some[0].size
    names = [f"{header}{place + start}" for place in range(count)]
    rows = []
    for picture, its_label in zip(some, labels, strict=True):
        cells = [of_pixel(int(pixel)) for pixel in picture.ravel()]
        rows.append([*cells, of_label(int(its_label))] if last else [of_label(int(its_label)), *cells])
    return lines(rows, None if header is None else [*names, label] if last else [label, *names], separator)


@cache
def iris(header: bool = True) -> bytes:
    loaded = load_iris()
    rows = [
        [number, *row, f"Iris-{loaded.target_names[label]}"]
        for number, (row, label) in enumerate(zip(loaded.data.tolist(), loaded.target, strict=True), 1)
    ]
    if not header:
        return lines([row[1:] for row in rows])
    return lines(rows, ["Id", "SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm", "Species"])


@cache
def wine(header: bool = False) -> bytes:
    loaded = load_wine()
    rows = [[label + 1, *row] for row, label in zip(loaded.data.tolist(), loaded.target, strict=True)]
    return lines(rows, ["class", *loaded.feature_names] if header else None)


@cache
def arff(number: int, *, missing: str = "?") -> bytes:
    """Give a data set of OpenML, as it comes with scikit-learn's tests, as CSV."""
    folder = files(f"sklearn.datasets.tests.data.openml.id_{number}")
    name = next(entry for entry in folder.iterdir() if entry.name.startswith("data-v1"))
    text = gzip.decompress(name.read_bytes()).decode()
    names = [line.split(None, 1)[1].strip() for line in text.splitlines() if line.lower().startswith("@attribute")]
    names = [name[1:].partition(name[0])[0] if name[0] in "'\"" else name.split()[0] for name in names]
    body = text[text.lower().index("@data") :].partition("\n")[2]
    body = re.sub(r"(?m)(^|,)'([^',\n]*)'(?=,|$)", r'\1"\2"', body)
    rows = [line.replace("?", missing) for line in body.splitlines() if line.strip() and not line.startswith("%")]
    return "".join(line + "\n" for line in [",".join(f'"{name}"' for name in names), *rows]).encode()


def parquet(columns: Mapping[str, object], metadata: dict[bytes, bytes] | None = None) -> bytes:
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata(metadata)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()
