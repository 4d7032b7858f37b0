"""What a file is by its first bytes, whatever it is called; and for those that are not read, what to do instead."""

import re
import struct
import zlib
from contextlib import suppress
from typing import Literal

from models.data.reading.found import Fault, UnreadableError

HEAD = 64 * 1024
"""So many bytes tell what a file is."""

TAR = 512
"""So many bytes tell whether it is a TAR."""

Format = Literal["text", "gzip", "parquet", "numpy", "idx", "zip", "tar"]

_UNPACK = "unpack it, and send what is in it, several files as one ZIP"
_CSV = "save it as CSV and send that"
_FOLDERS = "a folder for each class, named as the class is, with its pictures in it"
_PICTURE = f"send many pictures in one ZIP: {_FOLDERS}"
_AS_PNG = f"save it as PNG, and {_PICTURE}"
_PANDAS = "in Python, write it with pandas.DataFrame.to_csv or to_parquet and send that"
_SAVEZ = "write its arrays with numpy.savez(FILE, images=..., labels=...) and send that"
PICKLE = (
    "a Python pickle, which can run anything when it is opened",
    f"where you trust it, open it in Python and {_SAVEZ}; a table with pandas.DataFrame.to_parquet",
)
"""What a pickle is, and what to do."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_OF_HDF5 = f"in Python, open it with h5py and {_SAVEZ}; a table as CSV or Parquet"
_OF_MATLAB = f"in Python, open it with scipy.io.loadmat and {_SAVEZ}; in MATLAB, write a table with writetable"
_MATLAB_4 = 20  # bytes of its header, which a name follows

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\x00", "a file compressed with xz", "unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with Zstandard", "unpack it, or compress it with gzip"),
    (b"BZh", "a file compressed with bzip2", "unpack it, or compress it with gzip"),
    (b"\x04\x22\x4d\x18", "a file compressed with LZ4", "unpack it, or compress it with gzip"),
    (_HDF5, "an HDF5 file", _OF_HDF5),
    (b"MATLAB 5.0", "a MATLAB file", _OF_MATLAB),
    (
        b"MATLAB 7.3",
        "a MATLAB file of version 7.3 (HDF5)",
        f"in Python, open it with h5py and {_SAVEZ}; in MATLAB, write a table with writetable",
    ),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF8", "a GIF picture", _PICTURE),
    (b"II*\x00", "a TIFF picture", _PICTURE),
    (b"MM\x00*", "a TIFF picture", _PICTURE),
    (b"BM", "a BMP picture", _PICTURE),
    (b"%PDF", "a PDF document", "send the table itself as CSV"),
    (b"%!PS", "a PostScript document", "send the table itself as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls, .doc)", _CSV),
    (b"ARROW1", "an Arrow (Feather) file", _PANDAS),
    (b"FEA1", "a Feather file", _PANDAS),
    (b"\xff\xff\xff\xff", "a stream of Arrow", "write it as Parquet: datasets.Dataset.to_parquet"),
    (b"ORC", "an ORC file", _PANDAS),
    (b"Obj\x01", "an Avro file", _PANDAS),
    (b"SQLite format 3\x00", "an SQLite database", "write the table as CSV: sqlite3 -header -csv FILE 'SELECT ...'"),
    (b"$FL2", "an SPSS file", _CSV),
    (b"\x1f\x9d", "a file compressed with compress (.Z)", "unpack it, or compress it with gzip"),
    (b"\x5d\x00\x00", "a file compressed with LZMA, as joblib does too", "unpack it, or compress it with gzip"),
    (b"MSCF", "a CAB archive", _UNPACK),
    (b"CDF\x01", "a NetCDF file", f"in Python, open it with xarray and {_SAVEZ}"),
    (b"CDF\x02", "a NetCDF file", f"in Python, open it with xarray and {_SAVEZ}"),
    (b"<stata_dta>", "a Stata file", "in Stata, write it with export delimited, and send that CSV"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf", "a SAS file", _CSV),
    (b"\xac\xed\0\x05", "a serialised Java object", _CSV),
    (b"\x0a\x23\xd7\xce", "a RecordIO file of MXNet", f"read its pictures, and send them in a ZIP: {_FOLDERS}"),
    (b"8BPS", "a Photoshop document", _AS_PNG),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _AS_PNG),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _AS_PNG),
    (b"\xff\x0a", "a JPEG XL picture", _AS_PNG),
    (b"\0\0\x01\0", "an icon", _AS_PNG),
    *((b"P%d\n" % kind, "a Netpbm picture", _AS_PNG) for kind in range(4, 7)),
    (b"RDX", "an R data file", "in R, write it with write.csv and send that"),
    (b"X\n\x00\x00\x00", "an R data file (.rds)", "in R, write it with write.csv and send that"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file with git lfs pull"),
)
_TEXTS: tuple[tuple[str, str, str], ...] = (
    (r"(?i)\s*<(!doctype html|html)", "a web page", "the download gave a page, not the file: fetch the file itself"),
    (r"(?i)\s*<\?xml|\s*<\w[\w:.-]*(\s[^<>]*)?>(?![,;\t|])", "XML", _CSV),
    (r"\s*[{\[]\s*[\"{\[\d]", "JSON", "write it as CSV: a line of column names, then a line for each example"),
    (r"(?i)(\s*%[^\n]*\n)*\s*@relation\b", "an ARFF file", "take off what stands before the lines of @data, and put "
     "the names of the attributes, separated by commas, in the first line"),
)  # fmt: skip

_HEIC = ("is a HEIC picture", f"save it as JPEG or PNG, and {_PICTURE}")
_FILMS = dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), _HEIC) | {
    b"avif": ("is an AVIF picture", _PICTURE), b"avis": ("is an AVIF picture", _PICTURE),
}  # fmt: skip
_OLDPICKLE = re.compile(
    rb"\([dl]p\d+\n|c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n(p\d+\n|q\x00|\()|[}\])]q\x00|\((c[\w.]+\n\w+\n|[dl]q\x00)"
)
_RECORD = 16  # bytes around what a record of TFRecord holds

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_LOOKED_AT = 4096
_TEXTUAL = (b"%PDF", b"%!PS", b"version https")


def look(head: bytes) -> Format:
    """Tell what starts with these bytes; raises UnreadableError for what is not read."""
    if not head.strip():
        raise _refused("is empty", "send a CSV or Parquet file with at least 20 examples")
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if is_tar(head):  # which begins with the name of its first file, whatever that is: BMW/1.png
        return "tar"
    is_text = _CONTROL.search(head[:_LOOKED_AT]) is None
    if head.startswith(b"PAR1") and not is_text:
        return "parquet"
    if head.startswith(b"\x93NUMPY"):
        return "numpy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    for start, what, remedy in _STARTS:
        # Letters are the start of many a name; no name is a whole sentence.
        if head.startswith(start) and (not is_text or start.startswith(_TEXTUAL)):
            raise _refused(f"is {what}", remedy)
    if head[4:8] == b"ftyp" and not is_text:
        raise _refused(*_FILMS.get(head[8:12], ("is a film, or a picture of a kind that is not read", _PICTURE)))
    if head[:4] == b"RIFF" and not is_text:
        if head[8:12] == b"WEBP":
            raise _refused("is a WebP picture", _PICTURE)
        raise _refused("is sound, or a film", f"Tenfold learns from pictures and tables; {_PICTURE}")
    if (within := _further_in(head)) is not None and not is_text:
        raise _refused(*within)
    if re.match(rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x04]", head):
        return "idx"
    if re.match(rb"\x80[\x02-\x05]", head) or _is_other_pickle(head, is_text=is_text):
        raise _refused(f"is {PICKLE[0]}", PICKLE[1])
    if head[16:20] == b"\xde\xc0\xef\xbe" and not is_text:
        raise _refused(
            "is an LMDB database", f"in Python, read its pictures, and {_SAVEZ}, or send them in a ZIP: {_FOLDERS}"
        )
    if len(head) > _RECORD and not is_text and _crc(head[:8]) == int.from_bytes(head[8:12], "little"):
        raise _refused(
            "is a TFRecord file", f"in Python, read it with TensorFlow and {_SAVEZ}, or send a ZIP: {_FOLDERS}"
        )
    return "text"


def is_text(head: bytes) -> bool:
    """Whether a file is a text by its first bytes, compressed or not."""
    with suppress(UnreadableError):
        return look(head[:HEAD]) in {"text", "gzip"}
    return False


def is_tar(head: bytes) -> bool:
    """Whether what starts with these bytes is a TAR archive."""
    if _CONTROL.search(head[:_LOOKED_AT]) is None:
        return False
    return head[257:262] == b"ustar" or _is_old_tar(head)


def _is_old_tar(head: bytes) -> bool:
    """Whether bytes begin a TAR of before POSIX, as `tar --format=v7` writes: only its sum tells."""
    said = head[148:156].strip(b" \0")
    if len(head) < TAR or not head[0] or not re.fullmatch(rb"[0-7]{4,7}", said):
        return False
    return int(said, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:TAR])


def _further_in(head: bytes) -> tuple[str, str] | None:
    """Tell what bytes are that say so only behind their beginning, and what to do; None where they do not."""
    # Before HDF5, and so before MATLAB's and Keras' files of that form, anything may stand.
    if any(head[place:].startswith(_HDF5) for place in (512, 1024, 2048, 4096)):
        return "is an HDF5 file", _OF_HDF5
    if head[128:132] == b"DICM":
        return "is a DICOM file", f"write its pixels as PNG, and {_PICTURE}"
    if head[8:12] == b"DUCK":
        return "is a DuckDB database", "write the table as CSV: COPY (SELECT ...) TO 'FILE' (HEADER)"
    if re.match(rb".{6}\0\0\{\s*\"", head, re.DOTALL):
        return (
            "is a file of safetensors, the weights of a network",
            "send the examples that it learned from",
        )
    if len(head) > _MATLAB_4 and _is_matlab_4(head):
        return "is a MATLAB file of version 4", _OF_MATLAB
    return None


def _is_matlab_4(head: bytes) -> bool:
    """Whether bytes begin a file of MATLAB 4: kind, rows, columns, whether imaginary, and the length of a name."""
    for order in "<>":
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", head)
        # The kind is four digits: order of bytes, nothing, type of numbers, and full, text or sparse.
        if kind // 1000 != "<>".index(order) or kind // 100 % 10 or kind % 10 > 2 or kind // 10 % 10 > 5:
            continue
        name = head[_MATLAB_4 : _MATLAB_4 + length]
        if rows > 0 and columns > 0 and imaginary in (0, 1) and re.fullmatch(rb"[A-Za-z]\w{0,62}\0", name):
            return True
    return False


def look_at_text(text: str) -> None:
    """Raise UnreadableError where a text is none of rows and columns."""
    for pattern, what, remedy in _TEXTS:
        if re.match(pattern, text):
            raise _refused(f"is {what}", remedy)


def unknown() -> UnreadableError:
    """Give the refusal of bytes that are no text, and nothing else that is known."""
    return _refused(
        "is neither text nor any other form that is known",
        "send CSV, Parquet, NPZ, IDX or svmlight, or pictures as a ZIP or TAR of folders by class",
    )


def _is_other_pickle(head: bytes, *, is_text: bool) -> bool:
    """Whether bytes begin a pickle of the first two protocols, or one that joblib compressed."""
    if _OLDPICKLE.match(head):
        return True
    if is_text or not head.startswith((b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")):
        return False
    try:
        return re.match(rb"\x80[\x02-\x05]", zlib.decompressobj().decompress(head, 2)) is not None
    except zlib.error:
        return False


def _crc(data: bytes) -> int:
    """Give the masked CRC-32C with which TFRecord guards the length of each record."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _refused(what: str, remedy: str) -> UnreadableError:
    return UnreadableError(Fault("file", f"the file {what}", remedy))
