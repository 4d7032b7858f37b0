"""Which members the cells of a column name: by the whole path, the path below the list, or the file's name alone."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from models.data.reading.archives.layout import part_of

_END = re.compile(r"(?i)\.(png|jpe?g|jpe|jfif|gif|bmp|dib|tiff?|webp|avif|hei[cf]|jp2|svg|p[bgpn]m)$")


@dataclass(frozen=True)
class Match:
    """How names in a list are those of members: `of` gives the number of the picture, -1 for none, in words `how`.

    `found` is how many pictures some of the names are of; `rival` is a way that finds as many other ones.
    """

    how: str
    of: Callable[[str], int]
    found: int
    rival: str | None = None


class Pictures:
    """The pictures of an archive by their names, with and without the ends of these."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    @cached_property
    def _whole(self) -> dict[str, int]:
        """Give the numbers of pictures by their paths."""
        whole, stems = {name: number for number, name in enumerate(self.names)}, defaultdict[str, list[int]](list)
        for number, name in enumerate(self.names):
            stems[_END.sub("", name)].append(number)
        # a.png and a.jpg have one name without their ends, which says neither.
        return {stem: numbers[0] for stem, numbers in stems.items() if len(numbers) == 1} | whole

    @cached_property
    def _by_base(self) -> dict[str, list[int]]:
        """Give the numbers of pictures by the names of their files."""
        bases = defaultdict[str, list[int]](list)
        for number, name in enumerate(self.names):
            base = name.rpartition("/")[2]
            bases[base].append(number)
            if (stem := _END.sub("", base)) != base:
                bases[stem].append(number)
        return bases

    def match(self, cells: Sequence[str], list_name: str) -> Match | None:
        """Give how most of the cells name pictures; None where no cell names any. Whole paths go first."""
        plain = [plain_name(cell) for cell in cells]
        folder, _, base = list_name.rpartition("/")
        best: Match | None = None
        its = set[int]()
        for how, of in [*self._paths(folder, base), *self._bases(plain, base)]:
            found = {number for cell in plain if (number := of(cell)) >= 0}
            if found and (best is None or len(found) > best.found):
                best, its = Match(how, of, len(found)), found
            elif best is not None and len(found) == best.found and found != its:
                best = replace(best, rival=how)
        return best

    def _paths(self, folder: str, base: str) -> list[tuple[str, Callable[[str], int]]]:
        stem = base.rpartition(".")[0]
        ways = {"": "by whole paths"}
        ways.setdefault(folder, "by paths below the list's folder")
        before = f"{folder}/" if folder else ""
        ways[f"{before}{stem}"] = f"by paths below the folder {stem}"
        return [(how, self._below(f"{start}/" if start else "")) for start, how in ways.items()]

    def _below(self, start: str) -> Callable[[str], int]:
        return lambda cell: self._whole.get(start + cell, -1) if cell else -1

    def _bases(self, cells: Sequence[str], base: str) -> list[tuple[str, Callable[[str], int]]]:
        """Give the ways by the name of a file alone: where it is the only one, or in the one folder that has them."""
        ways: list[tuple[str, Callable[[str], int]]] = [("by the names of files, whatever their folder", self._alone)]
        count = Counter(
            self.names[number].rpartition("/")[0]
            for cell in set(cells) if cell for number in self._by_base.get(cell.rpartition("/")[2], ())
        )  # fmt: skip
        said = part_of(base.rpartition(".")[0])
        for name, _ in count.most_common(8):
            its = part_of(name.rpartition("/")[2])
            # train.csv says nothing of test/1.png.
            if said is None or its is None or said[0] == its[0]:
                ways.append((f"by the names of files in the folder {name}", self._within(name)))
        return ways

    def _alone(self, cell: str) -> int:
        numbers = self._by_base.get(cell.rpartition("/")[2], ()) if cell else ()
        return numbers[0] if len(numbers) == 1 else -1

    def _within(self, folder: str) -> Callable[[str], int]:
        start = f"{folder}/" if folder else ""
        return lambda cell: self._whole.get(start + cell.rpartition("/")[2], -1) if cell else -1


def plain_name(cell: str) -> str:
    """Give what a cell says as the archive would call it: with slashes, in NFC, and without what leads to it."""
    name = unicodedata.normalize("NFC", cell.strip()).replace("\\", "/")
    return re.sub(r"^(\.?/)+", "", name)
