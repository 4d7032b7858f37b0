"""Several files of one form are kept as one ZIP of them, whose bytes are the same for the same files."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from service.api.routes.datasets.form import Part
from service.artifacts import Artifacts, Draft
from service.disk.floor import Floor
from service.errors import Fault, Invalid
from service.store.datasets import SENT
from service.store.files import File

_PIECE = 2**20
_LONGEST = 200
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of ZIP: when a file came is no part of what it is


def kept(artifacts: Artifacts, owner: str, draft: Draft, parts: Sequence[Part], floor: Floor) -> File:
    """Keep the one file in a draft, or the ZIP of several that stand there one after the other.

    Raises Invalid where two of them have one name, and what `Draft.keep` raises.
    """
    with artifacts.draft(owner, SENT) as whole:
        return (whole if joined(draft, parts, whole, floor) else draft).keep()


def joined(draft: Draft, parts: Sequence[Part], whole: Draft, floor: Floor) -> bool:
    """Put several files that stand one after the other in a draft into another as a ZIP; whether there are several.

    Raises Invalid where two of them have one name, and NoRoom.
    """
    if not (several := _several(parts)):
        return False
    floor.require(more=sum(part.size for part in several))
    draft.file.flush()
    write(draft.temporary, several, whole.file)
    whole.file.flush()
    return True


def called(parts: Sequence[Part]) -> str | None:
    """Give what the file that is kept is called, if its sender said so."""
    names = [part.name for part in parts if part.name is not None]
    if not (several := _several(parts)) or not names:
        return names[0] if names else None
    return f"{names[0][:_LONGEST]} and {len(several) - 1} more.zip"


def write(source: Path, parts: Sequence[Part], target: BinaryIO) -> None:
    """Write the parts, which stand one after the other in a file, as members of a ZIP, as they are and without dates.

    Raises Invalid where two of them have one name.
    """
    names = [_member(part, number) for number, part in enumerate(parts)]
    for name in names:
        if names.count(name) > 1:
            detail = f"two parts of the form are called {name:.100}; give each file a name of its own"
            raise Invalid(detail, faults=[Fault("/file", detail)])
    with source.open("rb") as file, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for part, name in zip(parts, names, strict=True):
            about = zipfile.ZipInfo(name, _FIRST_DAY)
            about.create_system = 3  # whatever this machine is
            with archive.open(about, "w", force_zip64=True) as member:
                for piece in _pieces(file, part.size):
                    member.write(piece)


def _several(parts: Sequence[Part]) -> list[Part]:
    """Give the parts of a form that has several files; an input of a page that was left empty is none."""
    filled = [part for part in parts if part.size or part.name is not None]
    return filled if len(filled) > 1 else []


def _member(part: Part, number: int) -> str:
    name = part.name or f"part-{number}"
    # What the part is called says what is in the file.
    return name if part.field == "file" else f"{part.field}/{name}"


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        yield piece
