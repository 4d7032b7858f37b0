"""What a file is by its first bytes, whatever it is called; and for those that are not read, what to do instead."""

import re
from typing import Literal

from models.data.reading.found import Fault, UnreadableError

HEAD = 64 * 1024
"""So many bytes tell what a file is."""

Format = Literal["text", "gzip", "parquet"]

_UNPACK = "unpack it and send the one CSV or Parquet file in it"
_CSV = "save it as CSV and send that"
_PICTURE = "send many pictures as one CSV or Parquet file, a row for each with its label and its pixels"
_PANDAS = "in Python, write it with pandas.DataFrame.to_csv or to_parquet and send that"
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\x00", "a file compressed with xz", "unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with Zstandard", "unpack it, or compress it with gzip"),
    (b"BZh", "a file compressed with bzip2", "unpack it, or compress it with gzip"),
    (b"\x04\x22\x4d\x18", "a file compressed with LZ4", "unpack it, or compress it with gzip"),
    (b"\x93NUMPY", "a NumPy array (.npy)", "in Python, write labels and values with numpy.savetxt and send the CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _PANDAS),
    (b"MATLAB 5.0", "a MATLAB file", "in MATLAB, write it with writetable or writematrix and send the CSV"),
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
    (b"ORC", "an ORC file", _PANDAS),
    (b"Obj\x01", "an Avro file", _PANDAS),
    (b"SQLite format 3\x00", "an SQLite database", "write the table as CSV: sqlite3 -header -csv FILE 'SELECT ...'"),
    (b"$FL2", "an SPSS file", _CSV),
    (b"RDX", "an R data file", "in R, write it with write.csv and send that"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file with git lfs pull"),
)
_TEXTS: tuple[tuple[str, str, str], ...] = (
    (r"(?i)\s*<(!doctype html|html)", "a web page", "the download gave a page, not the file: fetch the file itself"),
    (r"(?i)\s*<\?xml|\s*<\w[\w:.-]*(\s[^<>]*)?>(?![,;\t|])", "XML", _CSV),
    (r"\s*[{\[]\s*[\"{\[\d]", "JSON", "write it as CSV: a line of column names, then a line for each example"),
    (r"(?i)(\s*%[^\n]*\n)*\s*@relation\b", "an ARFF file", "take off what stands before the lines of @data, and put "
     "the names of the attributes, separated by commas, in the first line"),
    (r"\S+( \d+:\S+)+ *\r?\n", "svmlight text", "write it as CSV: in Python, sklearn.datasets.load_svmlight_file, then "
     "numpy.savetxt"),
)  # fmt: skip

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_LOOKED_AT = 4096
_TEXTUAL = (b"%PDF", b"%!PS", b"version https")


def look(head: bytes) -> Format:
    """Tell what starts with these bytes; raises UnreadableError for what is not read."""
    if not head.strip():
        raise _refused("is empty", "send a CSV or Parquet file with at least 20 examples")
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    is_text = _CONTROL.search(head[:_LOOKED_AT]) is None
    if head.startswith(b"PAR1") and not is_text:
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        raise _refused(*_zip(head))
    for start, what, remedy in _STARTS:
        # Letters are the start of many a name; no name is a whole sentence.
        if head.startswith(start) and (not is_text or start.startswith(_TEXTUAL)):
            raise _refused(f"is {what}", remedy)
    if head[257:262] == b"ustar" and not is_text:
        raise _refused("is a TAR archive", _UNPACK)
    if head[4:8] == b"ftyp" and not is_text:
        raise _refused("is a HEIC or AVIF picture, or a film", _PICTURE)
    if head[:4] == b"RIFF" and not is_text:
        raise _refused("is a WebP picture, or sound", _PICTURE)
    if re.match(rb"\x00\x00[\x08-\x0e][\x01-\x04]", head):
        raise _refused(
            "is an IDX file, of pictures or of labels alone",
            "write both into one CSV: a label and its pixels in each line",
        )
    if re.match(rb"\x80[\x02-\x05]", head):
        raise _refused("is a Python pickle, which can run anything when it is opened", _PANDAS)
    return "text"


def look_at_text(text: str) -> None:
    """Raise UnreadableError where a text is none of rows and columns."""
    for pattern, what, remedy in _TEXTS:
        if re.match(pattern, text):
            raise _refused(f"is {what}", remedy)


def unknown() -> UnreadableError:
    """Give the refusal of bytes that are no text, and nothing else that is known."""
    return _refused("is neither text nor any other form that is known", "send a CSV or Parquet file")


def _zip(head: bytes) -> tuple[str, str]:
    if b"xl/" in head or b"[Content_Types].xml" in head:
        return "is an Office document (.xlsx, .docx)", "save the sheet as CSV and send that"
    if b"opendocument" in head:
        return "is an OpenDocument file (.ods, .odt)", "save the sheet as CSV and send that"
    if b".npy" in head[:200]:
        return "is a NumPy archive (.npz)", "in Python, write labels and values with numpy.savetxt and send the CSV"
    return "is a ZIP archive", _UNPACK


def _refused(what: str, remedy: str) -> UnreadableError:
    return UnreadableError(Fault("file", f"the file {what}", remedy))
