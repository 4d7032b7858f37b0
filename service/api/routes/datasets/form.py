"""The one file of a form, piece by piece as it comes: multipart/form-data, RFC 7578."""

import re
from collections.abc import AsyncIterator

from service.errors import Fault, Invalid, Malformed

LONGEST_HEAD = 8 * 2**10
LONGEST_NAME = 255
_PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1
_DISPOSITION = re.compile(rb"(?:^|\r\n)content-disposition:([^\r\n]*)", re.IGNORECASE)


class FileOfForm:
    """Takes the part `file` out of a form; `name` is what its sender calls it, known once its first piece has come."""

    def __init__(self, chunks: AsyncIterator[bytes], content_type: str) -> None:
        self._chunks = chunks
        self._mark = b"\r\n--" + _boundary(content_type).encode("latin-1")
        self._held = b"\r\n"
        self.name: str | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give what the file holds; raises Malformed and Invalid for a form that is cut short, or holds other parts."""
        await self._until(self._mark)
        await self._until(b"\r\n")
        # A part without headers begins with an empty line.
        self._held = b"\r\n" + self._held
        self.name = _name(await self._until(b"\r\n\r\n"))
        while (place := self._held.find(self._mark)) < 0:
            kept = len(self._mark) - 1
            piece, self._held = self._held[:-kept], self._held[-kept:]
            if piece:
                yield piece
            await self._more()
        yield self._held[:place]
        self._held = self._held[place + len(self._mark) :]
        while len(self._held) < 2:
            await self._more()
        if not self._held.startswith(b"--"):
            raise _refused("the form has more than one part; send the file alone, and options in the query")
        async for _ in self._chunks:  # what follows the end counts for nothing, and is to be read
            pass

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


def _name(head: bytes) -> str | None:
    """Give what the sender calls the file; raises Invalid for another part than `file`."""
    disposition = _DISPOSITION.search(head)
    about = {} if disposition is None else _parameters(disposition[1].decode(errors="replace"))
    if about.get("name") != "file":
        called = f"{about['name']:.100}" if "name" in about else "without a name"
        raise _refused(f"the form has a part {called}; the file is its only part, and called file")
    name = re.split(r"[/\\]", about.get("filename", ""))[-1]
    return "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME] or None


def _boundary(content_type: str) -> str:
    boundary = _parameters(";" + content_type.partition(";")[2]).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("the Content-Type of a form needs one boundary (RFC 2046); let your HTTP library set it")
    return boundary


def _parameters(text: str) -> dict[str, str]:
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text[:LONGEST_HEAD])}


def _refused(detail: str) -> Invalid:
    return Invalid(detail, faults=[Fault("/file", detail)])
