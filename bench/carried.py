"""Tables that packages carry, as the CSV that somebody would have them in: header, strings, gaps and all."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn import datasets

from models.data import idx

_ARFF = Path(sklearn.__file__).parent / "datasets" / "tests" / "data" / "openml"


@dataclass(frozen=True)
class Carried:
    """A table: how it is called, what gives it, its label, and the columns that nobody would learn from."""

    name: str
    table: Callable[[Path], pd.DataFrame]
    label: str
    ignore: tuple[str, ...] = ()


def _bunch(load: Callable[..., Any]) -> Callable[[Path], pd.DataFrame]:
    def table(_folder: Path) -> pd.DataFrame:
        bunch = load()
        named = pd.Series([str(bunch.target_names[place]) for place in bunch.target], name="class")
        return pd.concat([pd.DataFrame(bunch.data, columns=list(bunch.feature_names)), named], axis=1)

    return table


def _arff(number: int) -> Callable[[Path], pd.DataFrame]:
    def table(_folder: Path) -> pd.DataFrame:
        (file,) = (_ARFF / f"id_{number}").glob("data-*.arff.gz")
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            lines = [line for line in opened.read().splitlines() if line.strip() and not line.startswith("%")]
        names = [name for line in lines for name in _names(line)]
        start = next(place for place, line in enumerate(lines) if line.lower().startswith("@data"))
        quote = max("\"'", key="".join(lines[start + 1 :]).count)
        rows = csv.reader(lines[start + 1 :], quotechar=quote, escapechar="\\", skipinitialspace=True)
        return pd.DataFrame(list(rows), columns=names)

    return table


def _names(line: str) -> Iterator[str]:
    found = re.match(r"@attribute\s+('([^']*)'|\S+)", line, re.IGNORECASE)
    if found is not None:
        yield found[2] or found[1]


def _few_of_mnist(folder: Path) -> pd.DataFrame:
    """Give 500 of MNIST's images of each digit, sorted by digit, with the label last."""
    raw = folder / "MNIST" / "raw"
    pixels, labels = idx.read(raw / "train-images-idx3-ubyte"), idx.read(raw / "train-labels-idx1-ubyte")
    rows = np.concatenate([np.flatnonzero(labels == digit)[:500] for digit in range(10)])
    table = pd.DataFrame(pixels[rows].reshape(len(rows), -1)).add_prefix("pixel")
    return table.assign(label=labels[rows])


TABLES = (
    Carried("wine", _bunch(datasets.load_wine), "class"),
    Carried("breast cancer", _bunch(datasets.load_breast_cancer), "class"),
    Carried("penguins", _arff(42585), "species"),
    Carried("Titanic", _arff(40945), "survived", ("name", "ticket", "cabin", "boat", "body", "home.dest")),
    Carried("zoo", _arff(62), "type", ("animal",)),
    Carried("kr-vs-kp", _arff(3), "class"),
    Carried("8 x 8 digits", _bunch(datasets.load_digits), "class"),
    Carried("5,000 digits", _few_of_mnist, "label"),
)


def written(table: pd.DataFrame) -> bytes:
    """Write a table as CSV."""
    text = io.StringIO()
    table.to_csv(text, index=False)
    return text.getvalue().encode()
