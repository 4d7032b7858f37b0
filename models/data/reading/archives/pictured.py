"""Pictures in an archive, with the classes that their folders or a list say, made into a data set.

Legend of shapes: N pictures that are given, in the order of the archive.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data.reading import finish, parts
from models.data.reading.adding import joined
from models.data.reading.archives import layout
from models.data.reading.archives.layout import LIST
from models.data.reading.archives.members import Archive, Member, shown, tell_left_out
from models.data.reading.classes import Labels
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.pictures import write
from models.data.reading.source import Progress
from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES

_SHOWN = 3
_MOST_LOOKED_AT = 1000
"""Of an excerpt: to decode more takes longer than a preview may."""


@dataclass(frozen=True)
class Labelled:
    """Pictures with their labels, in the archive's order, and where each label stands; `parts` uint8 [N] or None.

    `split` is what says so, in the reading and in a sentence.
    """

    labels: Labels
    names: Sequence[str]
    texts: Sequence[str]
    where: Callable[[int], str]
    parts: NDArray[np.uint8] | None = None
    split: tuple[dict[str, Any], str] = ({}, "")
    class_names: list[str] | None = None


def in_folders(pictures: Sequence[Member]) -> bool:
    """Whether the pictures lie in folders of classes."""
    try:
        layout.find(Counter(_folder(member.name) for member in pictures))
    except UnreadableError:
        return False
    return True


def by_folders(archive: Archive, pictures: Sequence[Member], told: Told) -> Labelled:
    """Give the pictures that lie in folders of classes; the others are told. Raises UnreadableError."""
    counts = Counter(_folder(member.name) for member in pictures)
    laid = layout.find(counts, least=2 if told.base is None else 1)
    for note in laid.notes:
        told.note("folders", note)
    for doubt in laid.doubts:
        told.warn("folders", doubt)
    _tell_left_out(pictures, laid, told)
    _tell_empty(archive, counts, told)
    kept = [member.name for member in pictures if _folder(member.name) in laid.places]
    places = [laid.places[_folder(name)] for name in kept]
    classes = dict.fromkeys(label for label, _ in places)
    if blank := [name for name, (label, _) in zip(kept, places, strict=True) if not label.strip()]:
        raise UnreadableError(Fault(f"member {shown(blank[0])}", "the name of its folder is blank", "give it a name"))
    if len(classes) > MAX_CLASSES:
        what = f"the pictures lie in {len(classes):,} folders of classes; at most {MAX_CLASSES:,}"
        raise UnreadableError(Fault("folders", what, f"put those of one class into one folder; {LIST}"))
    why = f"each picture is of the class that its folder is called after ({', '.join(map(shown, [*classes][:_SHOWN]))})"
    told.taken_for["label"] = {"column": "folder", "place": None, "why": why}
    told.note("label", f"{why}; a list of the pictures, a CSV with file_name and label, would say otherwise")
    labels = Labels("folder", of_folders=True)
    said = None if laid.split is None else np.array([part or 0 for _, part in places], np.uint8)
    if said is None and told.base is not None and (part := layout.part_alone(laid.around, told.base)) is not None:
        said = np.full(len(kept), part, np.uint8)
    return Labelled(
        labels, kept, [label for label, _ in places], lambda row: f"member {shown(kept[row])}", said,
        ({"folders": True}, laid.split or ""),
    )  # fmt: skip


def read(
    archive: Archive, given: Labelled, folder: Path, options: Options, told: Told, progress: Progress, name: str | None
) -> Found:
    """Decode the pictures, and make a data set of those that are whole. Raises UnreadableError."""
    told.taken_for["kind"] = "images"
    if told.base is not None:
        joined.form(told.base, options)
        options = told.base.options_of_files(options)
    given = _some(archive, given, told)
    wanted = frozenset(given.names)

    def pictures() -> Iterator[tuple[str, bytes]]:
        for member, data in archive.contents(wanted):
            yield member.name, data

    def advance(_: int, count: int) -> None:
        # How much of them was decoded says nothing of how much of the file was read.
        progress(archive.position, count)

    written = write.write(pictures, len(given.names), folder, options, told, advance)
    rows = np.flatnonzero(written.kept).tolist()
    texts = pa.array([given.texts[row] for row in rows], pa.string())
    labels = given.labels
    assert labels.add(texts, lambda row: given.where(rows[row])).all(), "those without a label were left out before"
    split = None
    if given.parts is not None:
        its = given.parts[written.kept]
        by, said = given.split
        if told.base is None and (alone := parts.only_part(its)) is not None:
            told.note("split", f"all pictures are for {alone}; validation and test examples are drawn as usual")
        elif len(its):
            remedy = "put pictures to learn from into a folder called train, or take those of parts away"
            split = parts.settled(its, told, by=by, said=said, where="folders", remedy=remedy)
    return finish.pictures(labels, split, written.shape, folder, options, told, name=name, given=given.class_names)


def _some(archive: Archive, given: Labelled, told: Told) -> Labelled:
    """Give those of the pictures that are looked at: of an excerpt, some from all over the archive."""
    if told.excerpt is None:
        return given
    sizes = {member.name: member.size for member in archive.members}
    rows = told.excerpt.some([sizes[name] for name in given.names], most=_MOST_LOOKED_AT)
    if len(rows) == len(given.names):
        return given
    classes = len(set(given.texts))
    told.note("classes", f"the archive has {len(given.names):,} pictures with labels, which are {classes:,} in all")
    return replace(
        given,
        names=[given.names[row] for row in rows],
        texts=[given.texts[row] for row in rows],
        where=lambda row: given.where(rows[row]),
        parts=None if given.parts is None else given.parts[rows],
    )


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _tell_left_out(pictures: Sequence[Member], laid: layout.Layout, told: Told) -> None:
    of_why = dict[str, list[str]]()
    for member in pictures:
        if (why := laid.left_out.get(_folder(member.name))) is not None:
            of_why.setdefault(why, []).append(member.name)
    for why, names in of_why.items():
        told.drop(f"pictures {why}", len(names), [(f"member {shown(name)}", "") for name in names[:_SHOWN]])
        told.warn("pictures left out", f"{len(names):,} pictures {why}, and are left out", map(shown, names[:_SHOWN]))


def _tell_empty(archive: Archive, counts: Counter[str], told: Told) -> None:
    """Tell of folders without any picture, which may have been to be classes."""
    full = {"/".join(parts[:end]) for name in counts for parts in [name.split("/")] for end in range(len(parts) + 1)}
    empty = [name for name in dict.fromkeys(archive.folders) if name not in full]
    if empty:
        told.warn("folders without pictures", f"{len(empty):,} folders hold no pictures", map(shown, empty[:_SHOWN]))


def tell_strangers(members: Sequence[Member], told: Told) -> None:
    """Tell of files beside pictures that are none."""
    if members:
        tell_left_out(
            told, "files that are no pictures", len(members), [shown(member.name) for member in members[:_SHOWN]]
        )
