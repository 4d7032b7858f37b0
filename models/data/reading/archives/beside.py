"""Files in an archive beside the data that only say more of it, or the same again: names of classes, and copies."""

import hashlib
from collections.abc import Sequence
from typing import BinaryIO

from models.data.reading.archives.members import Archive, Member, shown, tell_left_out
from models.data.reading.arrays import mapping
from models.data.reading.told import Told

_MOST = 64 * 2**10  # bytes that names of 1,000 classes can take
_PIECE = 2**20
_SHOWN = 3
_OWN = (".parquet", ".pq")  # which say the names of their classes themselves


def without_mapping(archive: Archive, members: Sequence[Member], told: Told) -> tuple[list[Member], list[str] | None]:
    """Give members without those that say what labels stand for; and that, where one does, by number from 0."""
    texts = dict[Member, str]()
    called = [member.name for member in members if mapping.is_called_so(member.name) and member.size < _MOST]
    for member, data in archive.contents(called) if called else ():
        if mapping.is_like(text := data.decode("latin-1")):
            texts[member] = text
    rest = [member for member in members if member not in texts]
    if not rest:
        return list(members), None
    if len(texts) == 1 and not any(member.name.lower().endswith(_OWN) for member in rest):
        ((member, text),) = texts.items()
        return rest, mapping.names(text, shown(member.name), told)
    if texts:
        names = [shown(member.name) for member in texts]
        tell_left_out(told, "files that say what labels stand for, which are not used", len(names), names)
    return rest, None


def without_copies(archive: Archive, members: Sequence[Member], told: Told) -> list[Member]:
    """Give members without those that are there twice: of one name, in several folders, with the same bytes."""
    alike = dict[tuple[str, int], list[Member]]()
    for member in members:
        alike.setdefault((member.name.rpartition("/")[2], member.size), []).append(member)
    copies, seen = set[Member](), set[tuple[str, bytes]]()
    several = [member.name for its in alike.values() if len(its) > 1 for member in its]
    for member, stream in archive.streams(several) if several else ():
        its_own = member.name.rpartition("/")[2], _digest(stream)
        if its_own in seen:
            copies.add(member)
        seen.add(its_own)
    if copies:
        names = [shown(member.name) for member in members if member in copies]
        tell_left_out(told, "files that are there twice, in several folders", len(names), names[:_SHOWN])
    return [member for member in members if member not in copies]


def _digest(stream: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.digest()
