"""The file of a form, or several that belong together, piece by piece as they come: multipart/form-data, RFC 7578."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.errors import Fault, Invalid, Malformed

LONGEST_HEAD = 8 * 2**10
LONGEST_NAME = 255
MOST_PARTS = 20
FIELDS = ("file", "images", "labels")
_PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1
_DISPOSITION = re.compile(rb"(?:^|\r\n)content-disposition:([^\r\n]*)", re.IGNORECASE)


@dataclass
class Part:
    """A file of a form: what its sender calls it, the name of its part, and its bytes as far as they have come."""

    name: str | None
    field: str
    size: int = 0


class FileOfForm:
    """Takes the parts `file`, or `images` and `labels`, out of a form; they stand in `parts` as they come."""

    def __init__(self, chunks: AsyncIterator[bytes], content_type: str) -> None:
        self._chunks = chunks
        self._mark = b"\r\n--" + _boundary(content_type).encode("latin-1")
        self._held = b"\r\n"
        self.parts = list[Part]()

    @property
    def name(self) -> str | None:
        """Give what the sender calls the file, or the first of several; known once its first piece has come."""
        known = [part.name for part in self.parts if part.name is not None]
        return known[0] if known else None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give what the files hold, one after the other; raises Malformed and Invalid for forms cut short or others."""
        await self._until(self._mark)
        while not self.parts or not self._held.startswith(b"--"):
            if len(self.parts) == MOST_PARTS:
                raise _refused(f"the form has more than {MOST_PARTS} parts; send fewer files, or one ZIP of them")
            await self._until(b"\r\n")
            # A part without headers begins with an empty line.
            self._held = b"\r\n" + self._held
            part = _part(await self._until(b"\r\n\r\n"))
            self.parts.append(part)
            async for piece in self._content():
                part.size += len(piece)
                yield piece
            while len(self._held) < 2:
                await self._more()
        async for _ in self._chunks:  # what follows the end counts for nothing, and is to be read
            pass

    async def _content(self) -> AsyncIterator[bytes]:
        """Give what stands before the next boundary, and go past that."""
        while (place := self._held.find(self._mark)) < 0:
            kept = len(self._mark) - 1
            piece, self._held = self._held[:-kept], self._held[-kept:]
            if piece:
                yield piece
            await self._more()
        yield self._held[:place]
        self._held = self._held[place + len(self._mark) :]

    async def _until(self, mark: bytes) -> bytes:
        """Read up to a mark, and past it; gives what stands before it."""
        while (place := self._held.find(mark)) < 0:
            if len(self._held) > LONGEST_HEAD:
                raise Malformed(f"the headers of a part of the form have more than {LONGEST_HEAD:,} bytes")
            await self._more()
        before, self._held = self._held[:place], self._held[place + len(mark) :]
        if mark == b"\r\n" and before.startswith(b"--"):
            raise _refused("the form has no part; send the file as its part file")
        return before

    async def _more(self) -> None:
        async for chunk in self._chunks:
            self._held += chunk
            return
        raise Malformed("the form does not end with its boundary; send all of it")


def _part(head: bytes) -> Part:
    """Give what a part is called, and what its sender calls the file in it; raises Invalid for any other part."""
    disposition = _DISPOSITION.search(head)
    about = {} if disposition is None else _parameters(disposition[1].decode(errors="replace"))
    field = about.get("name", "")
    if field not in FIELDS:
        called = f"{field:.100}" if "name" in about else "without a name"
        raise _refused(
            f"the form has a part {called}; its parts are file, once or for each of several files, or images and "
            "labels; options go in the query"
        )
    name = re.split(r"[/\\]", about.get("filename", ""))[-1]
    return Part("".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME] or None, field)


def _boundary(content_type: str) -> str:
    boundary = _parameters(";" + content_type.partition(";")[2]).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("the Content-Type of a form needs one boundary (RFC 2046); let your HTTP library set it")
    return boundary


def _parameters(text: str) -> dict[str, str]:
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text[:LONGEST_HEAD])}


def _refused(detail: str) -> Invalid:
    return Invalid(detail, faults=[Fault("/file", detail)])
