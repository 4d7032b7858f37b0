"""What a small file may grow to when it is read."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from models.data.reading import npy
from models.data.reading.found import UnreadableError
from models.data.reading.options import Options
from models.data.reading.read import read


def test_an_array_has_its_bounds_however_small_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "\n".join(f"{n % 2},{','.join(['0'] * 100)}" for n in range(5000))
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(rows.encode()))
    for name, most, told in (("MOST_ROWS", 4000, "more than 4,000 examples"), ("MOST_BYTES", 2**16, "more than 0 GiB")):
        with monkeypatch.context() as patched:
            patched.setattr(npy, name, most)
            with pytest.raises(UnreadableError, match=told):
                read(tmp_path / "bomb.csv.gz", tmp_path, Options(), progress=lambda _bytes, _rows: None)
    assert (tmp_path / "values.npy").stat().st_size < 1e6


def test_a_writer_counts_what_it_wrote(tmp_path: Path) -> None:
    with npy.Writer(tmp_path / "rows.npy", np.dtype(np.uint8), (2,)) as writer:
        writer.append(np.ones((3, 2), np.uint8))
    assert np.load(tmp_path / "rows.npy").shape == (3, 2)
