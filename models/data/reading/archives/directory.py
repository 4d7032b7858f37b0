"""The central directory of a ZIP, an entry at a time, so that a hundred thousand of them take little memory.

Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from models.data.reading.found import Fault, UnreadableError

_END, _LOCATOR, _END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_COMMENT = 2**16
_FULL = 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x0001 | 0x0040 | 0x2000, 0x0800


class Entry(NamedTuple):
    """What the directory says of a member; `name` is bytes where their encoding is not said."""

    name: str | bytes
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    is_encrypted: bool
    mode: int
    """What Unix calls the mode of a file; 0 where the archive was made elsewhere."""


def entries(file: Path) -> Iterator[Entry]:
    """Give the entries of a ZIP's directory in their order; raises UnreadableError where it is cut off or damaged."""
    with file.open("rb", 2**20) as raw:
        length = file.stat().st_size
        start, size, before = _find(raw, length)
        raw.seek(start)
        left = size
        while left > 0:
            head = raw.read(_ENTRY.size)
            if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02"):
                raise damaged("its directory is damaged")
            _, maker, _, flags, method, _, _, crc, packed, its, name, extra, comment, disk, _, mode, offset = (
                _ENTRY.unpack(head)
            )
            rest = raw.read(name + extra + comment)
            left -= _ENTRY.size + len(rest)
            if len(rest) < name + extra + comment or left < 0:
                raise damaged("its directory is damaged")
            fields = dict(_fields(rest[name : name + extra]))
            its, packed, offset = _large(fields.get(1, b""), its, packed, offset)
            if disk not in (0, 0xFFFF):
                raise _several()
            if offset + before + packed > length:
                raise damaged("a member lies beyond its end")
            yield Entry(
                _name(rest[:name], flags, fields.get(0x7075, b"")), method, crc, packed, its, offset + before,
                bool(flags & _ENCRYPTED), mode >> 16 if maker >> 8 == 3 else 0,
            )  # fmt: skip


def damaged(detail: str) -> UnreadableError:
    """Give the refusal of a ZIP that is not whole."""
    return UnreadableError(Fault("file", f"the ZIP archive is cut off or damaged: {detail}", "send the whole of it"))


def _find(raw: BinaryIO, length: int) -> tuple[int, int, int]:
    """Give where the directory begins, its bytes, and how many bytes stand before the archive."""
    raw.seek(max(0, length - _COMMENT - _END.size))
    tail = raw.read(_COMMENT + _END.size)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise damaged("it has no directory at its end")
    _, disk, its_disk, _, _, size, start, _ = _END.unpack_from(tail, place)
    end = length - len(tail) + place
    if end >= _LOCATOR.size + _END64.size:
        raw.seek(end - _LOCATOR.size - _END64.size)
        large = raw.read(_LOCATOR.size + _END64.size)
        if large.startswith(b"PK\x06\x06") and large[_END64.size :].startswith(b"PK\x06\x07"):
            _, _, _, _, disk, its_disk, _, _, size, start = _END64.unpack_from(large)
            end -= len(large)
    if (disk, its_disk) != (0, 0) and (disk, its_disk) != (0xFFFF, 0xFFFF):
        raise _several()
    before = end - size - start
    if before < 0:
        raise damaged("its directory does not lie where it should")
    return start + before, size, before


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        yield kind, extra[place + 4 : place + 4 + length]
        place += 4 + length


def _large(field: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Give the three numbers, of which those that need 64 bits stand in a field of their own, in this order."""
    found = [size, packed, offset]
    for place, number in enumerate(found):
        if number == _FULL:
            if len(field) < 8:
                raise damaged("a size in its directory is missing")
            found[place] = int.from_bytes(field[:8], "little")
            field = field[8:]
    return found[0], found[1], found[2]


def _name(raw: bytes, flags: int, unicode: bytes) -> str | bytes:
    if raw.isascii():
        return raw.decode("ascii")
    # Info-ZIP says the name in UTF-8 beside the old one; it holds as long as that was not changed since.
    if len(unicode) > 5 and unicode[0] == 1 and int.from_bytes(unicode[1:5], "little") == zlib.crc32(raw):
        raw, flags = unicode[5:], flags | _UTF8
    try:
        return raw.decode() if flags & _UTF8 else raw
    except UnicodeDecodeError:
        return raw


def _several() -> UnreadableError:
    return UnreadableError(Fault("file", "the ZIP archive is one part of several", "make it anew, as a single file"))
