"""Files that cannot be read, each with the sentence that says where, why and what to do."""

import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tests.models.data.reading.forms import faults_of, iris, lines, parquet, pixels, wine


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 5, 7, 9, 11)), "a,b\n1,2\n")
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros(3))
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((30, 785)))
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        about = tarfile.TarInfo("a.csv")
        about.size = 4
        archive.addfile(about, io.BytesIO(b"1,2\n"))
    return file.getvalue()


def rows(count: int = 40, **columns: Callable[[int], object]) -> bytes:
    return lines([[of(row) for of in columns.values()] for row in range(count)], list(columns))


def numbered(count: int, last: str) -> bytes:
    return lines([[row] * (count + 1) for row in range(40)], [*(f"pixel{at}" for at in range(count)), last])


def half(row: int) -> str:
    return "yes" if row % 2 else "no"


def with_line(data: bytes, number: int, line: str) -> bytes:
    every = data.decode().splitlines()
    every[number - 1] = line
    return "\n".join(every).encode()


PICKLED = pickle.dumps({"images": np.zeros((3, 4)), "labels": [1, 2, 3]})
PICKLE = (
    "a Python pickle, which can run anything when it is opened; where you trust it, open it in Python and write its "
    "arrays with numpy.savez(FILE, images=..., labels=...) and send that"
)
PIXELS = pixels(None)
FIRST = PIXELS.split(b"\n", 1)[0].decode()
STRUCT = pa.array([{"bytes": b"x", "path": "a.png"}] * 20)

REFUSED: dict[str, tuple[bytes, dict[str, object], str]] = {
    "nothing": (b"", {}, "file: the file is empty; send a CSV or Parquet file with at least 20 examples"),
    "blanks": (b" \n\n", {}, "file: the file is empty"),
    "zip": (
        zipped("a.csv"),
        {},
        "columns: no column is called label, class or target",
    ),
    "xlsx": (
        zipped("[Content_Types].xml", "xl/workbook.xml"),
        {},
        "is an Office document (.xlsx); save the sheet as CSV and send that",
    ),
    "docx": (zipped("[Content_Types].xml"), {}, "is an Office document (.xlsx, .docx); save the table in it as CSV"),
    "ods": (zipped("META-INF/manifest.xml"), {}, "is an OpenDocument file (.ods, .odt); save the sheet as CSV"),
    "numbers": (zipped("Index/Document.iwa"), {}, "is an iWork document (.numbers, .pages); save the sheet as CSV"),
    "pytorch": (zipped("archive/data.pkl"), {}, "is a file of PyTorch (.pt, .pth), which holds a Python pickle, which"),
    "npz": (npz(), {}, "member x.npy: it holds labels alone: 'x' (3), and no examples beside them; send both together"),
    "npy": (npy(), {}, "columns: whether the first or the last column holds the classes cannot be told: 0, and 0"),
    "pickle": (pickle.dumps({"a": [1, 2]}), {}, f"is {PICKLE}"),
    "pickle, protocol 0": (pickle.dumps({"a": [1, 2]}, 0), {}, f"is {PICKLE}"),
    "pickle, protocol 0, a list": (pickle.dumps(["a", 2], 0), {}, f"is {PICKLE}"),
    "pickle, protocol 0, an array": (pickle.dumps(np.zeros(3), 0), {}, f"is {PICKLE}"),
    "pickle, protocol 1": (pickle.dumps({"a": [1, 2]}, 1), {}, f"is {PICKLE}"),
    "pickle, protocol 1, an array": (pickle.dumps(np.zeros(3), 1), {}, f"is {PICKLE}"),
    "pickle, protocol 2": (pickle.dumps({b"data": np.zeros(3)}, 2), {}, f"is {PICKLE}"),
    "pickle, gz": (gzip.compress(pickle.dumps({"a": [1, 2]})), {}, f"is {PICKLE}"),
    "joblib, compressed": (zlib.compress(pickle.dumps({"a": list(range(99))}), 3), {}, f"is {PICKLE}"),
    "tfrecord": (b"\x0c" + bytes(7) + bytes.fromhex("f4c8fe0a") + b"x" * 40, {}, "is a TFRecord file; in Python"),
    "lmdb": (
        bytes(10) + b"\x08" + bytes(5) + b"\xde\xc0\xef\xbe\x01" + bytes(40),
        {},
        "is an LMDB database; in Python",
    ),
    "rds": (gzip.compress(b"X\n\0\0\0\x03\0\x04\x03\0"), {}, "is an R data file (.rds); in R, write it with write.csv"),
    "rdata": (gzip.compress(b"RDX3\nX\n\0\0\0\x03"), {}, "is an R data file; in R, write it with write.csv"),
    "feather 1": (b"FEA1\0\0\0\0" + bytes(40), {}, "is a Feather file; in Python, write it with pandas"),
    "arrow, streamed": (b"\xff\xff\xff\xff\x10\0\0\0" + bytes(40), {}, "is a stream of Arrow; write it as Parquet"),
    "avif": (b"\0\0\0\x1cftypavif" + bytes(40), {}, "is an AVIF picture; send many pictures in one ZIP"),
    "film": (b"\0\0\0\x1cftypisom" + bytes(40), {}, "is a film, or a picture of a kind that is not read"),
    "matlab 7.3": (
        b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n",
        {},
        "is a MATLAB file of version 7.3 (HDF5); in Python, open it with h5py and write its arrays with numpy.savez",
    ),
    "matlab 4": (
        struct.pack("<5i", 0, 30, 4, 0, 2) + b"X\0" + bytes(960),
        {},
        "is a MATLAB file of version 4; in Python, open it",
    ),
    "matlab 4, big-endian": (
        struct.pack(">5i", 1000, 30, 4, 0, 2) + b"X\0" + bytes(960),
        {},
        "MATLAB file of version 4",
    ),
    "hdf5 behind something else": (bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(40), {}, "is an HDF5 file; in Python"),
    "joblib, lzma": (lzma.compress(PICKLED, lzma.FORMAT_ALONE), {}, "is a file compressed with LZMA, as joblib does"),
    "joblib, gzip": (gzip.compress(PICKLED), {}, f"is {PICKLE}"),
    "cifar's batch": (b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U", {}, f"is {PICKLE}"),
    "tfrecord, gz": (gzip.compress(b"\x0c" + bytes(7) + bytes.fromhex("f4c8fe0a") + b"x" * 40), {}, "is a TFRecord"),
    "compress": (b"\x1f\x9d\x90" + bytes(range(200)), {}, "is a file compressed with compress (.Z); unpack it"),
    "rar 5": (b"Rar!\x1a\x07\x01\0" + bytes(40), {}, "is a RAR archive; unpack it, and send what is in it"),
    "cab": (b"MSCF\0\0\0\0" + bytes(40), {}, "is a CAB archive; unpack it"),
    "safetensors": (
        struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}     ' + bytes(12),
        {},
        "is a file of safetensors, the weights of a network; send the examples",
    ),
    "stata": (b"<stata_dta><header><release>118</release><byteorder>LSF\0", {}, "is a Stata file; in Stata, write it"),
    "sas": (bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c"), {}, "is a SAS file; save it as CSV"),
    "duckdb": (b"\x91" * 8 + b"DUCK" + bytes(40), {}, "is a DuckDB database; write the table as CSV"),
    "netcdf": (b"CDF\x01" + bytes(40), {}, "is a NetCDF file; in Python, open it with xarray"),
    "java": (b"\xac\xed\0\x05sr" + bytes(40), {}, "is a serialised Java object; save it as CSV"),
    "mxnet": (b"\x0a\x23\xd7\xce" + bytes(40), {}, "is a RecordIO file of MXNet; read its pictures"),
    "dicom": (bytes(128) + b"DICM\x02\0" + bytes(40), {}, "is a DICOM file; write its pixels as PNG, and send many"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), {}, "is a JPEG 2000 picture; save it as PNG, and send"),
    "jpeg xl": (b"\xff\x0a" + bytes(40), {}, "is a JPEG XL picture; save it as PNG"),
    "photoshop": (b"8BPS\0\1" + bytes(40), {}, "is a Photoshop document; save it as PNG"),
    "icon": (b"\0\0\1\0\1\0" + bytes(40), {}, "is an icon; save it as PNG"),
    "netpbm": (b"P5\n28 28\n255\n" + bytes(784), {}, "is a Netpbm picture; save it as PNG"),
    "webp": (b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), {}, "is a WebP picture; send many pictures in one ZIP"),
    "sound": (b"RIFF\0\0\0\0WAVEfmt " + bytes(40), {}, "is sound, or a film; Tenfold learns from pictures and tables"),
    "fer2013, pictures in cells": (
        lines([[row % 7, " ".join([str(row)] * 100), "Training"] for row in range(40)], ["emotion", "pixels", "Usage"]),
        {"label": "emotion"},
        "column pixels: each of its cells holds many numbers, as the 100 of the first: a whole",
    ),
    "pandas' lists in cells": (
        lines([[row % 7, f'"{[row] * 64}"'] for row in range(40)], ["label", "pixels"]),
        {},
        "in pandas, give each a column: frame.join(frame.pop('pixels').str.strip('[] ').str.split('[ ,;]+', expand",
    ),
    "names of pictures alone": (
        lines([[f"{row}.png", row % 2] for row in range(40)], ["filename", "label"]),
        {},
        "'filename' is left out: it names pictures, which are read where they come with it, in one ZIP",
    ),
    "png": (
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        {},
        "is a PNG picture; send many pictures in one ZIP: a folder for each class, named as the class is",
    ),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(40), {}, "is a JPEG picture"),
    "pdf": (b"%PDF-1.7\n" + bytes(40), {}, "is a PDF document; send the table itself as CSV"),
    "hdf5": (
        b"\x89HDF\r\n\x1a\n" + bytes(40),
        {},
        "is an HDF5 file; in Python, open it with h5py and write its arrays with numpy.savez(FILE, images=...",
    ),
    "matlab": (
        b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(128) + bytes(40),
        {},
        "is a MATLAB file; in Python, open it with scipy.io.loadmat and write its arrays with numpy.savez(FILE, images",
    ),
    "idx": (
        b"\0\0\x08\x03" + bytes(40),
        {},
        "file: the file is an IDX file, of pictures or of labels alone; send the files of both together, as they are: "
        "in one ZIP, or as parts of one form",
    ),
    "idx, gz": (gzip.compress(b"\0\0\x08\x01" + bytes(40)), {}, "is an IDX file, of pictures or of labels alone"),
    "tar": (tar(), {}, "member a.csv: the body has no line breaks, or only one line"),
    "tar.gz": (gzip.compress(tar()), {}, "member a.csv: the body has no line breaks, or only one line"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(40), {}, "is a 7z archive; unpack it"),
    "rar": (b"Rar!\x1a\x07\0" + bytes(40), {}, "is a RAR archive; unpack it"),
    "xz": (b"\xfd7zXZ\0" + bytes(40), {}, "is a file compressed with xz; unpack it, or compress it with gzip"),
    "zst": (b"\x28\xb5\x2f\xfd" + bytes(40), {}, "is a file compressed with Zstandard; unpack it"),
    "bz2": (b"BZh91AY&SY\xff" + bytes(40), {}, "is a file compressed with bzip2; unpack it"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), {}, "is an old Office document (.xls, .doc)"),
    "sqlite": (b"SQLite format 3\0" + bytes(40), {}, "is an SQLite database; write the table as CSV"),
    "feather": (b"ARROW1\0\0" + bytes(40), {}, "is an Arrow (Feather) file"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), {}, "is a HEIC picture; save it as JPEG or PNG, and send many"),
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid 1\n",
        {},
        "is a pointer of Git LFS, not the file itself",
    ),
    "noise": (bytes(range(256)) * 9, {}, "is neither text nor any other form that is known"),
    "html": (b"<!DOCTYPE html>\n<html></html>\n", {}, "is a web page; the download gave a page, not the file"),
    "json": (b'[{"a": 1},\n{"a": 2}]\n', {}, "is JSON; write it as CSV: a line of column names"),
    "arff": (
        b"% iris\n@RELATION iris\n@DATA\n1,2\n",
        {},
        "is an ARFF file; take off what stands before the lines of @data",
    ),
    "svmlight": (b"1 3:0.5 7:1\n2 1:0.5\n", {}, "file: it has 2 examples with a label; at least 20 are needed"),
    "gzip, cut off": (gzip.compress(iris())[:-200], {}, "file: the gzip file is cut off; compress it anew"),
    "gzip, damaged": (gzip.compress(iris())[:40] + bytes(300), {}, "file: the gzip file is damaged"),
    "parquet, cut off": (parquet({"a": [1] * 30})[:-20], {}, "file: the Parquet file is damaged or cut off"),
    "no line breaks": (
        iris().replace(b"\n", b""),
        {},
        "file: the body has no line breaks, or only one line; send it with curl "
        "--data-binary @FILE, a line for each example (-d takes the line breaks away, and without @ the name alone",
    ),
    "an archive without line breaks": (
        zipped("a.csv").ljust(3000, b"1").replace(b"\n", b"").replace(b"\0", b""),
        {},
        "file: no byte of it is zero or a line break, and there should be many: they were taken away; send it",
    ),
    "one column": (b"a\n1\n2\n3\n", {}, "file: the rows have one cell only; separate the cells by commas"),
    "blanks between": (b"1 2 3\n4 5 6\n", {}, "file: cells are separated by blanks; separate the cells by commas"),
    "D2, seven": (
        with_line(PIXELS, 1, FIRST.replace("0", "seven", 1)),
        {},
        "line 1, column 0: the label is 'seven', and others are whole numbers; mend the label, or take out the line",
    ),
    "D2, NA": (
        with_line(PIXELS, 1, FIRST.replace("0", "NA", 1)),
        {},
        "line 1, column 0: the picture has no label ('NA' stands there); give it one, or take out the line",
    ),
    "a row too short": (
        with_line(PIXELS, 7, "3,0,0"),
        {},
        "line 7: it has 3 cells, and others have 785; give each line as many",
    ),
    "a pixel that is a word": (
        with_line(PIXELS, 9, FIRST[:-1] + "x"),
        {},
        "line 9, column 785 (784): 'x' is no number; put a",
    ),
    "a pixel that is missing": (
        with_line(PIXELS, 9, FIRST[:-1]),
        {},
        "line 9, column 785 (784): the number is missing",
    ),
    "a pixel that is infinite": (
        with_line(PIXELS, 9, FIRST[:-1] + "inf"),
        {},
        "line 9, column 785 (784): 'inf' is no number",
    ),
    "no scale": (
        pixels(of_pixel=lambda pixel: round(pixel / 90 - 0.42, 3)),
        {},
        "columns: pixels go from -0.42 to 2.413, on none of the usual scales (0 to 1, -1 to 1, 0 to 16, 0 to 255); "
        "say the least and the greatest number that a pixel can be, as scale=-0.42,2.413",
    ),
    "no square": (
        numbered(70, "label"),
        {},
        "columns: 70 numbers to a picture are no square; say its height and width: size=HxW",
    ),
    "pixels without label": (
        numbered(63, "pixel63"),
        {},
        "columns: all columns are pixels; none holds",
    ),
    "first or last": (
        lines([[row % 3, *[row % 200] * 64, row % 4] for row in range(60)]),
        {"ignore": [1]},
        "columns: whether the first or the last column holds the classes cannot be told: 0, 1, 2, and 0, 1, 2 ...; "
        "say which one: label=0 or label=65",
    ),
    "too few": (rows(19, a=float, label=half), {}, "file: it has 19 examples with a label; at least 20 are needed"),
    "one class": (
        rows(a=float, label=lambda row: "x"),
        {},
        "column label: all examples have the label 'x'; at least 2 classes",
    ),
    "regression": (
        rows(a=int, label=lambda row: row / 7 + 0.01),
        {},
        "column label: it holds 40 distinct numbers ('0.01', '0.152857142857142",
    ),
    "each its own": (
        rows(a=float, label=lambda row: f"x{row}"),
        {},
        "column label: of 40 examples nearly each has a label of",
    ),
    "1,001 classes": (
        rows(3003, a=float, label=lambda row: f"x{row % 1001}"),
        {},
        "column label: it holds 1,001 distinct values ('x0', 'x1', 'x2', 'x3', 'x4' ...); at most 1,000 classes",
    ),
    "no label": (
        rows(a=lambda row: row / 7, b=lambda row: row / 3),
        {},
        "columns: no column is called label, class or target, and",
    ),
    "two labels": (
        rows(a=float, target=half, species=half),
        {},
        "columns: 'target' and 'species' may both hold the classes; say which one: label=target",
    ),
    "three words": (
        rows(a=half, b=half, c=half),
        {},
        "columns: no column is called label, class, target, species ...; these may hold classes: a, b, c; say which "
        "column it is: label=c",
    ),
    "an infinite number": (
        rows(a=lambda row: "inf" if row == 5 else row / 7, label=half),
        {},
        "line 7, column a: 'inf' is infinite; put a finite number there, or take out the line",
    ),
    "a word among numbers": (
        rows(a=lambda row: "seven" if row == 5 else row / 7, label=half),
        {},
        "line 7, column a: 'seven' is no number, and nearly all others of its column are; mend it, or say "
        'types={"a": "category"}, or ignore=["a"]',
    ),
    "a point among commas": (
        lines([[f"{row},5", "1.234", half(row)] for row in range(40)], ["a", "b", "label"], ";"),
        {"types": {"b": "number"}},
        "line 2, column b: '1.234' is no number",
    ),
    "nothing to learn from": (
        rows(a=lambda row: 7, label=half),
        {},
        "columns: no column is left that a label could be told by",
    ),
    "only a label": (
        lines([[half(row), half(row)] for row in range(40)], ["label", "b"]),
        {"ignore": ["b"]},
        "columns: no column is left that a label could be told by",
    ),
    "a split that is none": (
        rows(a=float, label=half, split=lambda row: "tset" if row == 30 else "train" if row % 2 else "test"),
        {"split": "split"},
        "line 32, column split: 'tset' is none of train, validation and test; say one of",
    ),
    "a header too long": (
        b"a,b,c,label\n" + b"1,x\n2,y\n" * 20,
        {},
        "line 1: the header names 4 columns, and the rows have 2 cells",
    ),
    "an open quote": (
        iris().replace(b"Iris-setosa", b'"Iris-setosa', 1),
        {},
        "line 2: a quote is opened there and not closed; close it, or write one within",
    ),
    "pictures as files": (
        parquet({"image": STRUCT, "label": [0, 1] * 10}),
        {},
        "row 1, column image: it is none of PNG, JPEG, WebP, AVIF, GIF, BMP and TIFF; send pictures of one of these",
    ),
    "lists of two lengths": (
        parquet({"image": [[1, 2, 3, 4]] * 20 + [[1, 2]], "label": [0, 1] * 10 + [1]}),
        {},
        "row 21, column image: the list is of another length than the first; send pictures of one size",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place_its_cause_and_its_remedy(name: str) -> None:
    data, options, sentence = REFUSED[name]
    faults = faults_of(data, **options)
    assert len(faults) <= 20
    assert sentence in faults[0]


OPTIONS: dict[str, tuple[bytes, dict[str, object], str]] = {
    "label": (iris(), {"label": "speces"}, "label: no column is called 'speces'; the nearest: Species"),
    "label, far": (
        iris(),
        {"label": "zzz"},
        "label: no column is called 'zzz'; those that there are: Id, SepalLengthCm",
    ),
    "label, place": (
        iris(),
        {"label": 6},
        "label: there is no column 6; the file has 6; count them from 0, or say a name",
    ),
    "ignore": (
        iris(),
        {"ignore": ["PetalWidth"]},
        "ignore: no column is called 'PetalWidth'; the nearest: PetalWidthCm",
    ),
    "types": (iris(), {"types": {"Petal": "number"}}, "types: no column is called 'Petal'"),
    "types, number": (
        iris(),
        {"label": "Id", "types": {"Species": "number"}, "ignore": []},
        "column Id: of 150 examples nearly each",
    ),
    "types, dates that are not there": (
        rows(a=float, when=lambda row: "", label=half),
        {"types": {"when": "date"}},
        "column when: no date stands in it; do not say that it holds dates",
    ),
    "types, a word": (
        rows(a=half, label=half),
        {"types": {"a": "number"}},
        "line 2, column a: 'no' is no number; mend it, or do",
    ),
    "types, boolean": (
        wine(True),
        {"types": {"ash": "boolean"}},
        "column ash: it has 79 distinct texts, and a boolean has two",
    ),
    "types, date": (
        rows(a=lambda row: f"3/{row % 9 + 1}/2020", label=half),
        {"types": {"a": "date"}},
        "column a: '3/1/2020' may have the day or the month first; write dates as 2026-12-31",
    ),
    "separator": (iris(), {"separator": ";"}, "file: ';' (`separator`) stands in no line; separate the cells by"),
    "encoding": (
        iris(),
        {"encoding": "utf-9"},
        "encoding: 'utf-9' is no encoding that is known; say for example utf-8",
    ),
    "encoding, none": (iris(), {"encoding": "undefined"}, "encoding: 'undefined' is no encoding that is known"),
    "separator, none": (iris(), {"separator": "\n"}, "separator: '\\n' cannot separate cells; say a comma, semicolon"),
    "encoding, wrong": (
        b"\xe9" + iris(),
        {"encoding": "ascii"},
        "file: the byte 0xe9 is none of a text in ascii; say its encoding",
    ),
    "size": (pixels(), {"size": [28, 27]}, "size: 28 x 27 pixels were said, and there are 784 numbers to a picture"),
    "size of a table": (
        wine(True),
        {"size": [3, 4]},
        "size: 3 x 4 pixels were said, and there are 13 numbers to a picture",
    ),
    "scale": (
        pixels(),
        {"scale": [0, 100]},
        "scale: pixels go from 0 to 255, beyond what was said, 0 to 100; say a scale that",
    ),
    "scale of a table": (
        iris(),
        {"scale": [0, 9]},
        "scale: `scale` was said, and the rows were taken for those of a table; say "
        "kind=images if they are pictures; leave it out",
    ),
    "missing of pictures": (
        pixels(),
        {"missing": "refuse"},
        "missing: `missing` was said, and the rows were taken for pictures",
    ),
    "missing": (
        rows(a=lambda row: row / 7 if row else "", label=half),
        {"missing": "refuse"},
        "column a: nothing stands in 1 of its cells, and missing=refuse was said; fill them",
    ),
    "classes": (
        iris(),
        {"classes": {"Iris-setose": "s"}},
        "classes: no example has the label 'Iris-setose'; the nearest: Iris-s",
    ),
    "classes, not all": (
        iris(),
        {"classes": ["Iris-setosa", "Iris-virginica"]},
        "classes: examples have the label 'Iris-versicolor', which is not among them; name each class once",
    ),
    "classes, merged to one": (
        rows(a=float, label=half),
        {"classes": {"no": "yes"}},
        "column label: all examples have the label 'yes'",
    ),
    "split": (iris(), {"split": "part"}, "split: no column is called 'part'"),
    "header of parquet": (
        parquet({"a": [1.5, 2.5] * 10, "label": [0, 1] * 10}),
        {"header": True},
        "header: `header` was said, and the",
    ),
    "kind": (iris(), {"kind": "images"}, "columns: pixels go from 0.1 to 7.9, on none of the usual scales"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_fit_nothing_are_refused(name: str) -> None:
    data, options, sentence = OPTIONS[name]
    assert sentence in faults_of(data, **options)[0]


def test_a_wrong_line_is_told_with_its_number_up_to_twenty_of_them() -> None:
    body = PIXELS + (b"1,2\n" * 30)
    faults = faults_of(body)
    assert len(faults) == 20
    assert faults[0].startswith("line 41: it has 2 cells")
    assert faults[19].startswith("line 60: ")


def test_a_wrong_label_column_is_one_fault() -> None:
    assert len(faults_of(rows(400, a=lambda row: row / 7, b=float, label=half), label="a")) == 1


def test_faults_can_be_written_as_json() -> None:
    assert json.dumps(faults_of(b""))
