"""The bytes of a file as text in UTF-8, whole lines at a time: unpacked, decoded, and without what no table needs."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.data.reading import signature
from models.data.reading.found import Fault, UnreadableError

CHUNK = 16 * 2**20
SAMPLE = 2**20
LONGEST = 64 * 2**20
"""Bytes of one line."""

_FEW_LINES = 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_RETURN = re.compile(r"\r(?!\n)")
_RETURN_BYTE = re.compile(rb"\r(?!\n)")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


class OtherEncodingError(Exception):
    """What began as UTF-8 goes on as something else."""


@dataclass(frozen=True)
class Text:
    """A file whose first part is known: its encoding, and whether carriage returns alone end lines, or some of them."""

    file: Path
    compressed: bool
    encoding: str
    mark: bool
    guessed: bool
    returns: bool

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[bytes, int]]:
        """Give whole lines in UTF-8, so many bytes at a time, and how many bytes of the file were read until then.

        A line break within quotes is none of a line. Raises UnreadableError, and OtherEncodingError where UTF-8 was
        only found to be so.
        """
        rest = b""
        with self.file.open("rb") as raw:
            stream: BinaryIO = gzip.GzipFile(fileobj=raw) if self.compressed else raw  # type: ignore[assignment]
            for data, is_last in _decoded(stream, self, size):
                whole = _line_feeds(rest + data, at_end=is_last)
                if is_last:
                    # An end without a line break is an end as well.
                    if whole.strip():
                        yield (whole if whole.endswith(b"\n") else whole + b"\n"), raw.tell()
                    return
                cut = _cut(whole)
                rest = whole[cut:]
                if len(rest) > LONGEST:
                    raise UnreadableError(
                        Fault(
                            "file",
                            f"a line, or what stands between two quotes, is longer than {LONGEST // 2**20} MiB",
                            "end each example's line with a line break, and each quote with a quote",
                        )
                    )
                if cut:
                    yield whole[:cut], raw.tell()


def find(
    file: Path, *, compressed: bool, encoding: str | None, guess: str | None = None, one_line: bool = False
) -> tuple[Text, str]:
    """Find out about a text, and give the first whole lines of it; raises UnreadableError.

    `encoding` was said; `guess` is what to take it for where it turned out not to be UTF-8; `one_line` tells whether a
    single line may be all of it.
    """
    asked = SAMPLE
    head = first_bytes(file, asked, compressed=compressed)
    while len(head) == asked < LONGEST and head.count(b"\n") + head.count(b"\r") < _FEW_LINES:
        asked *= 4
        head = first_bytes(file, asked, compressed=compressed)
    if compressed and signature.look(head) != "text":
        raise UnreadableError(Fault("file", "what was compressed is no text", "unpack it and send what is in it"))
    mark, name, guessed = _encoding(head, encoding, guess)
    whole = len(head) < asked
    decoder = codecs.getincrementaldecoder(name)()
    try:
        text = decoder.decode(head[mark:], final=whole)
    except UnicodeError as error:
        raise _undecodable(name, error) from error
    if "\0" in text:
        raise signature.unknown()
    signature.look_at_text(text)
    returns = _RETURN.search(text) is not None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" not in text.strip("\n") and not one_line:
        raise UnreadableError(
            Fault(
                "file",
                "the body has no line breaks, or only one line",
                "send it with curl --data-binary @FILE, a line for each example (-d takes the line breaks away, and "
                "without @ the name alone is sent)",
            )
        )
    if not whole:
        data = text.encode()
        text = data[: _cut(data)].decode()
    return Text(file, compressed, name, bool(mark), guessed, returns), text


def first_bytes(file: Path, count: int, *, compressed: bool = False) -> bytes:
    """Give the first bytes of a file, or of what is compressed in it; raises UnreadableError where that is damaged."""
    with file.open("rb") as raw:
        if not compressed:
            return raw.read(count)
        try:
            return gzip.GzipFile(fileobj=raw).read(count)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged_gzip(error) from error


def _encoding(head: bytes, said: str | None, guess: str | None) -> tuple[int, str, bool]:
    """Give the length of the byte order mark, the name of the encoding, and whether it is a guess."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return len(mark), name, False
    if said is not None:
        try:
            "".encode(said)
            codecs.getincrementaldecoder(said)().decode(b"")
        except (LookupError, ValueError, TypeError) as error:
            raise UnreadableError(
                Fault("encoding", f"{said!r} is no encoding that is known", "say for example utf-8, cp1252 or utf-16")
            ) from error
        return 0, said, False
    if guess is not None:
        return 0, guess, True
    start = head[:4096]
    if b"\0" in start:
        even, odd = start[::2].count(0), start[1::2].count(0)
        if odd > len(start) // 4 and not even:
            return 0, "utf-16-le", True
        if even > len(start) // 4 and not odd:
            return 0, "utf-16-be", True
        raise signature.unknown()
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return 0, single_byte(head), True
    return 0, "utf-8", False


def single_byte(head: bytes) -> str:
    """Guess at the encoding of a text that is not UTF-8."""
    return "latin-1" if _UNDEFINED.search(head) else "cp1252"


def _decoded(stream: BinaryIO, text: Text, size: int) -> Iterator[tuple[bytes, bool]]:
    """Give UTF-8 without a byte order mark, a chunk at a time, and whether it is the last, which is empty."""
    is_utf8 = codecs.lookup(text.encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder(text.encoding)()
    skip = next((len(mark) for mark, name in _MARKS if name == text.encoding), 0) if text.mark else 0
    while True:
        try:
            data = stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged_gzip(error) from error
        at_end = not data
        data, skip = data[skip:], 0
        try:
            if is_utf8:
                # What is ASCII needs no look; else the decoder sees letters that are cut in two.
                if not data.isascii() or decoder.getstate()[0] or at_end:
                    decoder.decode(data, final=at_end)
            else:
                data = decoder.decode(data, final=at_end).encode()
        except UnicodeError as error:
            if is_utf8 and not text.mark and not text.guessed:
                raise OtherEncodingError from error
            raise _undecodable(text.encoding, error) from error
        yield data, at_end
        if at_end:
            return


def _line_feeds(data: bytes, *, at_end: bool) -> bytes:
    """Give line feeds for carriage returns that stand alone: each reader of lines would count those otherwise.

    What a return at the end is, only the byte after it can tell.
    """
    if data.count(b"\r") == data.count(b"\r\n"):
        return data
    if not at_end and data.endswith(b"\r"):
        return _RETURN_BYTE.sub(b"\n", data[:-1]) + b"\r"
    return _RETURN_BYTE.sub(b"\n", data)


def _cut(data: bytes) -> int:
    """Give the length of the part that ends with a line: with the last line break that is not within quotes."""
    cut = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, cut)
    tries = 0
    while cut and quotes % 2 and tries < 10_000:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        quotes -= data.count(b'"', before, cut)
        cut = before
        tries += 1
    return cut


def damaged_gzip(error: Exception) -> UnreadableError:
    """Give the refusal of what is compressed with gzip and not whole."""
    detail = "cut off" if isinstance(error, EOFError) else f"damaged ({error})"
    return UnreadableError(Fault("file", f"the gzip file is {detail}", "compress it anew and send the whole of it"))


def _undecodable(name: str, error: UnicodeError) -> UnreadableError:
    what = (
        f"the byte 0x{error.object[error.start]:02x}" if isinstance(error, UnicodeDecodeError) else "what stands there"
    )
    return UnreadableError(
        Fault("file", f"{what} is none of a text in {name}", "say its encoding (`encoding=`, as cp1252)")
    )
