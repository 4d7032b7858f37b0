"""The names of files in an archive, compared and never opened: what is left out by them, and what is refused."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self

import numpy as np

from models.data.reading.archives import limits
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.told import Told

MOST_CHARACTERS = 1_000
_SHOWN = 3
_RENAME = "rename it, or leave it out, and make the archive anew"
_JUNK = re.compile(r"(?i)(.*/)?(__macosx|@eadir|\$recycle\.bin|system volume information)/.*"
                   r"|(.*/)?\.[^/]+(/.*)?|(.*/)?(thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r)", re.DOTALL)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Member(NamedTuple):
    """A file in an archive: its name, in NFC and with a slash between folders, and its bytes, as the archive says."""

    name: str
    size: int

    @property
    def where(self) -> str:
        """Give what a fault calls it."""
        return f"member {shown(self.name)}"


class Archive(Protocol):
    """The files in an archive, as a context manager; names are no paths, and no byte is written anywhere."""

    @property
    def members(self) -> Sequence[Member]:
        """Give the files in the archive's order, without those that systems leave behind, and links."""
        ...

    @property
    def folders(self) -> Sequence[str]:
        """Give the folders that the archive names itself, which may be empty."""
        ...

    @property
    def position(self) -> int:
        """Give how many bytes of the archive were read until now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def contents(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, bytes]]:
        """Give the bytes of all members, or of those that are wanted, in the archive's order.

        May be called anew, and by several at once. Raises UnreadableError for a member that is damaged or too large.
        """
        ...

    @property
    def is_sequential(self) -> bool:
        """Whether a member is reached only by unpacking all that lies before it."""
        ...

    def streams(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, BinaryIO]]:
        """Give members as `open` does, in one pass: each may be read in part, and only until the next is given."""
        ...

    def place(self, member: Member) -> tuple[Path, int] | None:
        """Give the file in which a member lies as it is, and the byte at which it begins; None where it is packed."""
        ...

    def open(self, member: Member) -> BinaryIO:
        """Give the bytes of one member as a stream, whose size is bounded only by all that may be inflated."""
        ...


class Names:
    """Takes the names of all files of an archive, one after the other, and tells of those that are left out."""

    def __init__(self) -> None:
        self.folders = list[str]()
        self._left = dict[str, tuple[int, list[str]]]()
        self._faults = list[Fault]()
        self._hashes = list[int]()
        self._count = self._characters = 0

    def take(self, given: str, *, is_folder: bool = False, but: str | None = None) -> str | None:
        """Give a name in NFC; None for a folder, and for what is left out, as what is there `but` should not be.

        Raises UnreadableError.
        """
        self._count += 1
        self._characters += len(given)
        limits.check_count(self._count, self._characters)
        name = re.sub(r"^(\./)+", "", given)
        if not name.isascii():
            name = unicodedata.normalize("NFC", name)
        if is_folder:
            name = name.rstrip("/")
            if name in {"", "."}:
                return None
        if (why := _wrong(name)) is not None:
            self._fault(name, why)
            return None
        if _JUNK.fullmatch(name):
            if not is_folder:
                self.leave_out("hidden files, and those that systems leave behind", name)
            return None
        if _CONTROL.search(name):
            self._fault(name, "it has a control character in its name")
            return None
        if is_folder:
            self.folders.append(name)
            return None
        if but is not None:
            self.leave_out(but, name)
            return None
        self._hashes.append(hash(name.casefold()))
        return name

    def leave_out(self, what: str, name: str) -> None:
        """Note a file that is left out: what such ones are."""
        count, names = self._left.get(what, (0, []))
        self._left[what] = count + 1, names if len(names) == _SHOWN else [*names, shown(name)]

    def settle(self, members: Sequence[Member], told: Told) -> None:
        """Tell of what was left out and of names alike; raises UnreadableError for names that are wrong or come twice.

        `members` are those that names were given for, in their order.
        """
        if self._faults:
            raise UnreadableError(*self._faults)
        for what, (count, names) in self._left.items():
            tell_left_out(told, what, count, names)
        _, places, counts = np.unique(np.array(self._hashes, np.int64), return_inverse=True, return_counts=True)
        alike = [members[place].name for place in np.flatnonzero(counts[places] > 1).tolist()]
        self._hashes = []
        twice, seen = list[str](), set[str]()
        for name in alike:
            (twice.append if name in seen else seen.add)(name)
        if twice:
            raise UnreadableError(
                *(
                    Fault(f"member {shown(name)}", "the archive holds more than one of this name", _RENAME)
                    for name in twice[:MOST_FAULTS]
                )
            )
        if alike:
            told.warn(
                "names that differ in their letters' case alone",
                f"{len(alike):,} files would be one and the same on other systems; all of them are taken",
                map(shown, alike[:_SHOWN]),
            )

    def _fault(self, name: str, why: str) -> None:
        self._faults.append(Fault(f"member {shown(name)}", why, _RENAME))
        if len(self._faults) >= MOST_FAULTS:
            raise UnreadableError(*self._faults)


def tell_left_out(told: Told, what: str, count: int, examples: Sequence[str]) -> None:
    """Tell of files that are left out: what they are, how many, and some of them."""
    more = ", ..." if count > len(examples) else ""
    told.note("left out", f"{what} ({count:,}): {', '.join(examples)}{more}")


def shown(name: str) -> str:
    """Give a name as a text may show it: without control characters, and not longer than one can read."""
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"


def refused(member: Member, detail: str, remedy: str) -> UnreadableError:
    """Give the refusal of a member."""
    return UnreadableError(Fault(member.where, detail, remedy))


def _wrong(name: str) -> str | None:
    """Tell what is wrong with a name that could lead somewhere, if anyone opened it."""
    if len(name) > MOST_CHARACTERS:
        return f"its name has {len(name):,} characters; at most {MOST_CHARACTERS:,}"
    if "\0" in name:
        return "it has a NUL in its name"
    if "\\" in name:
        return "it has a backslash in its name, where slashes stand between folders"
    if name.startswith("/"):
        return "its name begins with a slash, and is not that of a file within the archive"
    if re.match(r"[A-Za-z]:", name):
        return "its name begins with the letter of a drive, and is not that of a file within the archive"
    parts = name.split("/")
    if ".." in parts:
        return "its name leads out of the archive (..)"
    if "" in parts or "." in parts:
        return "a folder of its name has no name of its own"
    return None
