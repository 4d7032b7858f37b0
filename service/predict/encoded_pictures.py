"""Pictures within JSON: files in base64 or as data URLs, told apart from the bytes of numbers by how they begin."""

import base64
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from models.data.reading.pictures.outcome import MOST_BYTES
from models.data.reading.pictures.picture_format import name_of
from service.errors import Fault, Invalid

_DATA_URL = re.compile(r"\s*data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_HEAD = 64  # letters by which is told whether there is a picture
_MOST_LETTERS = MOST_BYTES * 4 // 3 + 2**16
_BLANKS = str.maketrans("", "", " \t\r\n")
_USUAL = str.maketrans("-_", "+/")  # from the alphabet of RFC 4648, section 5


def files_in(field: str, value: Any) -> list[bytes] | None:
    """Give the files that a field of a body holds; None where it holds numbers, or bytes of them. Raises Invalid."""
    if field == "image" and isinstance(value, str):
        return [file_of(value, "image")]
    if field == "images" and isinstance(value, list) and value and isinstance(value[0], str):
        if (place := next((place for place, one in enumerate(value) if not isinstance(one, str)), None)) is not None:
            raise _wrong(f"images/{place}", "this is no text, as those before it are; send all as files, or as numbers")
        return [file_of(one, f"images/{place}") for place, one in enumerate(value)]
    if field == "images_base64" and isinstance(value, str) and _begins_as_picture(value):
        file = file_of(value, field)
        # Pixels may begin as a BMP does by chance, but hardly tell their own number too.
        return None if file.startswith(b"BM") and int.from_bytes(file[2:6], "little") != len(file) else [file]
    return None


def _begins_as_picture(text: str) -> bool:
    if _DATA_URL.match(text):
        return True
    head = text[:_HEAD].translate(_BLANKS).translate(_USUAL)
    try:
        return name_of(base64.b64decode(head[: len(head) // 4 * 4], validate=True)) is not None
    except ValueError:
        return False


def file_in(piece: bytes, place: str) -> bytes:
    """Give a file, which may be in base64 instead, or in a data URL, as some send texts; raises Invalid for those."""
    if name_of(piece) is None and _begins_as_picture(text := str(piece, "latin-1")):
        return file_of(text, place)
    return piece


def file_of(text: str, place: str) -> bytes:
    """Give the file that a text holds, in base64 or as a data URL; raises Invalid, by its place in the body."""
    if len(text) > _MOST_LETTERS:
        raise _wrong(place, f"this has {len(text):,} letters; send a picture of at most {MOST_BYTES // 2**20} MiB")
    url = _DATA_URL.match(text)
    if url is not None:
        text = text[url.end() :]
        if "base64" not in url[2].lower().split(";"):
            return unquote_to_bytes(text)
    if text.startswith(("http://", "https://", "file:")):
        raise _wrong(place, "this is an address, and nothing is fetched from elsewhere; send the picture itself")
    text = text.translate(_BLANKS)
    text = text.translate(_USUAL).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # of which binascii.Error is one
        raise _wrong(place, "this is no picture in base64, nor a data URL; send the file's bytes in base64") from None


def _wrong(place: str, detail: str) -> Invalid:
    return Invalid(f"{place.replace('/', '.')}: {detail}", faults=[Fault(f"/{place}", detail)])
