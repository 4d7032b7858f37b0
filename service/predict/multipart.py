"""The files and the fields of a form: multipart/form-data, RFC 7578, https://www.rfc-editor.org/rfc/rfc7578."""

import re
from typing import NamedTuple

from service.errors import Fault, Invalid, Malformed

MOST_FIELDS = 100
LONGEST_FIELD = 1024
LONGEST_HEAD = 8 * 2**10
LONGEST_PARAMETERS = 2**10
_DISPOSITION = re.compile(rb"(?:^|\r\n)content-disposition:([^\r\n]*)", re.IGNORECASE)
_PARAMETER = re.compile(rb""";\s*([^\s=;"]+)\s*=\s*(?:"([^"]*)"|([^\s;]*))""")
_OF_THE_TYPE = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1
_TYPE = re.compile(rb"(?:^|\r\n)content-type:[ \t]*([^\s;]*)", re.IGNORECASE)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
"""With what pictures begin, which no text does: some clients send them as if they were text."""


class Form(NamedTuple):
    """The contents of a form's files, and the names and values of its fields; both in their order."""

    files: list[bytes]
    fields: list[tuple[str, str]]


def read(body: bytes, parameters: str, most: int) -> Form:
    """Take a form apart. A part is a field if it has a name, and neither a file's name nor another type than text.

    Args:
        body: the whole body.
        parameters: what follows the media type in Content-Type; the boundary is among it.
        most: how many files there may be, whatever they are called.

    Raises:
        Malformed: there is no boundary, or no single one, or the body is cut short.
        Invalid: there are too many parts, or a field is no short text.
    """
    boundary = _boundary(parameters)
    limit = most + MOST_FIELDS
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"), limit + 2)
    if not parts or (len(parts) <= limit + 1 and not parts[-1].startswith(b"--")):
        raise Malformed("the form does not end with its boundary; send all of it")
    form = Form([], [])
    for part in parts[:-1]:
        # Between the boundary and its line's end there may be blanks; a part without headers begins with an empty line.
        head, found, content = part.partition(b"\r\n\r\n")
        if not found:
            raise Malformed("a part of the form has no empty line after its headers")
        if len(head) > LONGEST_HEAD:
            raise Invalid(f"the headers of a part of the form have more than {LONGEST_HEAD:,} bytes")
        name = _field(head, content)
        if name is None:
            form.files.append(content)
        else:
            form.fields.append((name, _text(name, content)))
            if len(form.fields) > MOST_FIELDS:
                raise Invalid(f"the form has more than {MOST_FIELDS} fields; send pictures as files, with a file name")
    if len(parts) > limit + 1 or len(form.files) > most:
        raise Invalid(f"send 1 to {most:,} files, each as a part of the form")
    return form


def _field(head: bytes, content: bytes) -> str | None:
    """Give the name of a part that is a field, or None of a file."""
    disposition = _DISPOSITION.search(head)
    if disposition is None or content.startswith(_PICTURES) or content[8:12] in (b"WEBP", b"avif"):
        return None
    about = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(disposition[1])}
    kind = _TYPE.search(head)
    if b"name" not in about or b"filename" in about or b"filename*" in about:
        return None
    if kind is not None and kind[1].lower() != b"text/plain":
        return None
    return str(about[b"name"], errors="replace")


def _text(name: str, content: bytes) -> str:
    """Give the value of a field."""
    detail = ""
    if len(content) > LONGEST_FIELD:
        detail = "this is too long for a field of a form; send pictures as files, with a file name"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        detail = detail or "this is no text in UTF-8; send pictures as files, with a file name"
    if detail:
        raise Invalid(f"{name:.100}: {detail}", faults=[Fault(f"/{name:.100}", detail)])
    return text


def _boundary(parameters: str) -> str:
    if len(parameters) > LONGEST_PARAMETERS:
        raise Malformed(f"the Content-Type of a form has more than {LONGEST_PARAMETERS:,} letters of parameters")
    named = _OF_THE_TYPE.findall(f";{parameters}")
    boundaries: list[str] = [quoted or plain for name, quoted, plain in named if name.lower() == "boundary"]
    if len(set(boundaries)) != 1 or not _BOUNDARY.fullmatch(boundaries[0]):
        raise Malformed("the Content-Type of a form needs one boundary (RFC 2046); let your HTTP library set it")
    return boundaries[0]
