"""What stands in an archive and is not read: archives within it, and the files of programs, by their first bytes."""

import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from models.data.reading import signature, text
from models.data.reading.archives.members import Archive, Member, shown
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.pictures import picture_format

_ARCHIVE = re.compile(r"(?i).*\.(zip|tar|tgz|tar\.\w+|tbz2?|txz|7z|rar)")
_OFFICE = re.compile(r"(?i).*\.(xls[xmb]|ods|docx|odt|numbers)")
_LOOKED_AT = 10  # members


def is_called_archive(member: Member) -> bool:
    """Whether a member is called as archives are."""
    return _ARCHIVE.fullmatch(member.name) is not None


def refuse(archive: Archive, members: Sequence[Member]) -> None:
    """Raise UnreadableError where one of the first members is what is never read, wherever it comes from."""
    for member, stream in archive.streams([member.name for member in members[:_LOOKED_AT]]):
        try:
            head = _head(stream)
            # Pictures are read, but not where a table was said to be there.
            kind = "text" if picture_format.name_of(head) is not None else signature.look(head)
        except UnreadableError as error:
            raise of([member], error) from error
        if is_called_archive(member) or kind in ("zip", "tar"):
            raise _nested(member)


def check_nested(member: Member, path: Path) -> None:
    """Raise UnreadableError where a member, which lies at the path, is an archive itself."""
    head = text.first_bytes(path, signature.HEAD)
    kind = signature.look(head) if head.strip() else "text"
    if kind in ("zip", "tar") or (
        kind == "gzip" and signature.is_tar(text.first_bytes(path, signature.TAR, compressed=True))
    ):
        raise _nested(member)


def of(members: Sequence[Member], error: UnreadableError) -> UnreadableError:
    """Say which of several files a fault is of, where it says no more than that it is of a file."""
    names = " or ".join(shown(member.name) for member in members)
    return UnreadableError(
        *(
            Fault(f"member {names}" if fault.where == "file" else fault.where, fault.detail, fault.remedy)
            for fault in error.faults
        )
    )


def _head(stream: BinaryIO) -> bytes:
    head = stream.read(signature.HEAD)
    if head.startswith(b"\x1f\x8b"):
        try:
            # Of a file that goes on no more is there than this; so much of it can be unpacked.
            return gzip.GzipFile(fileobj=io.BytesIO(head)).read(signature.TAR)
        except (OSError, EOFError):
            return head
    return head or b"x"  # that a file is empty says nothing of the others


def _nested(member: Member) -> UnreadableError:
    if _OFFICE.fullmatch(member.name):
        what, remedy = "it is an Office document", "save its sheet as CSV, and send that"
    else:
        what, remedy = "it is an archive within the archive", f"send {shown(member.name)} by itself"
    return UnreadableError(Fault(member.where, what, remedy))
