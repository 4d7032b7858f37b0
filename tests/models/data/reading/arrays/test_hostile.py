"""Headers that are made to harm whoever reads them: refused before anything of the array is."""

import gzip
import pickle

import numpy as np
import pytest

from models.data.reading.archives import tarred
from tests.models.data.reading.archives.made import tarred as packed
from tests.models.data.reading.arrays.made import header, idx, npy, npz, zipped
from tests.models.data.reading.forms import faults_of, found_in

GOOD = "{'descr': '|u1', 'fortran_order': False, 'shape': (30, 4), }"
VAST = b"\0\0\x08\x03" + b"\0\0\0\x1e" + b"\x3f\xff\xff\xff" * 2
HOSTILE = {
    "2**60 elements": (header(GOOD.replace("(30, 4)", "(30, 1152921504606846976)")), "comes to more than 4 GiB"),
    "2**60 rows": (header(GOOD.replace("30", str(2**60))), "at most 2,000,000"),
    "a long header": (header(GOOD, version=b"\x02\x00")[:8] + (10**8).to_bytes(4, "little"), "has 100,000,000 bytes"),
    "code": (header(GOOD.replace("(30, 4)", "__import__('os').getpid()")), "its header is damaged"),
    "nested": (header("(" * 5000), "its header is damaged"),
    "negative": (header(GOOD.replace("30", "-30")), "below 0"),
    "a boolean": (header(GOOD.replace("30", "True")), "its header says the shape (True, 4)"),
    "objects": (header(GOOD.replace("|u1", "|O")), "it holds Python objects, which can run anything"),
    "fields": (header(GOOD.replace("'|u1'", "[('a', '<f8')]")), "a record of several fields"),
    "dates": (header(GOOD.replace("|u1", "<M8[D]")), "which are no numbers, booleans or texts"),
    "version": (header(GOOD, version=b"\x09\x00"), "version 9.0"),
    "cut off": (header(GOOD, bytes(7)), "it is cut off: its header promises 120 bytes, [30, 4] of uint8; 7 are there"),
    "more": (header(GOOD, bytes(121)), "more follows the 120 bytes"),
    "a single value": (npy(np.array(3)), "it is a single value"),
    "a member that is a pickle": (
        zipped({"x.npy": npy(np.ones((30, 8, 8))), "y.npy": pickle.dumps([1])}), "member y.npy: it is a Python pickle"
    ),
    "idx, cut off": (
        zipped({"images.idx": idx(np.ones((30, 8, 8), np.uint8))[:-9], "labels.idx": idx(np.ones(30, np.uint8))}),
        "member images.idx: it is cut off: its header promises 1,920 bytes",
    ),
    "idx, 2**60": (
        zipped({"images.idx": VAST, "labels.idx": idx(np.ones(30, np.uint8))}),
        "comes to more than 4 GiB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused(name: str) -> None:
    data, sentence = HOSTILE[name]
    assert sentence in faults_of(data)[0]


def test_what_nobody_needs_is_left_out_and_never_opened() -> None:
    values = np.arange(30 * 64).reshape(30, 8, 8) % 251
    found, _ = found_in(npz(x=values, y=np.arange(30) % 3, about=np.array([{"a": 1}], object)))
    assert [entry["column"] for entry in found.reading["left_out"]] == ["about"]


def test_a_packed_archive_is_unpacked_a_few_times_however_many_members_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = list[int]()

    class Counted(tarred._Reader):
        def close(self) -> None:
            passes.append(self.tell())
            super().close()

    files = {f"note {n}.npy": npy(np.full(3, n)) for n in range(56)}
    files |= {
        "x.npy.gz": gzip.compress(npy(np.arange(30 * 64).reshape(30, 8, 8) % 251)),
        "y.npy": npy(np.arange(30) % 3),
    }
    whole = packed(files)
    with monkeypatch.context() as counting:
        counting.setattr(tarred, "_Reader", Counted)
        found, _ = found_in(whole)
    assert found.examples == 30
    assert len(found.reading["left_out"]) == 56
    assert sum(passes) <= 4 * len(gzip.decompress(whole))
