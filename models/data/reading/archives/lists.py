"""Lists of pictures beside them in an archive: which column names the files, which the class, and which the part.

Legend of shapes: P pictures of the archive.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.reading import cells, label, named, unlabelled
from models.data.reading.adding.base import Base
from models.data.reading.archives import listed
from models.data.reading.archives.layout import part_alone, part_of
from models.data.reading.archives.listed import Listed
from models.data.reading.archives.matching import Match, Pictures, plain_name
from models.data.reading.archives.members import Archive, Member, shown
from models.data.reading.archives.pictured import Labelled
from models.data.reading.classes import Labels
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.roles import PARTS, SPLITS
from models.data.reading.told import Told

LIST = re.compile(r"(?i).*\.(csv|tsv|tab|txt|jsonl|ndjson|parquet|pq)")
ABOUT = re.compile(
    r"(?i)(.*/)?(read.?me|licen[cs]e|copying|changelog|notice|about|citation|requirements)(\.(txt|md|rst|html?|pdf))?"
)
SUBMISSION = re.compile(r"(?i)(.*/)?[^/]*submi(ssion|t)[^/]*")
_MOST, _MOST_BYTES = 20, 64 * 2**20
_SAMPLE, _SHOWN = 1000, 3
_FEW = 10  # as many times more pictures are not named by a list that only seems to be one
_FILES = re.compile(r"(?i)(file|image|img|picture|photo)?[ _]?(file|name|path|id|image|img)s?([ _]?(name|path))?")


@dataclass(frozen=True)
class Named:
    """A list, the column that names files, and how; the label's column and the split's, where there are such.

    It `is_sure` where the label's column was said, or is called so, and more than a few pictures are named.
    """

    rows: Listed
    file: int
    match: Match
    label: int | None
    why: str
    is_sure: bool
    split: int | None
    part: int | None


class UnclearError(UnreadableError):
    """A list whose names are those of several files, or of which several columns say to be the label."""


def find(
    archive: Archive, others: Sequence[Member], pictures: Pictures, folder: Path, options: Options, told: Told
) -> tuple[list[Named], list[UnreadableError]]:
    """Give the lists of pictures in an archive that say the class of each, and why others do not."""
    found, errors = list[Named](), list[UnreadableError]()
    likely = [member for member in others if LIST.fullmatch(member.name) and not ABOUT.fullmatch(member.name)]
    likely = [member for member in likely if 0 < member.size <= _MOST_BYTES]
    if len(likely) > _MOST:
        likely = [member for member in likely if not member.name.lower().endswith(".txt")]
    without = list[str]()
    for member, data in archive.contents([member.name for member in likely[:_MOST]]):
        if SUBMISSION.fullmatch(member.name):
            told.note("left out", f"{shown(member.name)} is a form to be filled in, by its name; nothing is read of it")
            continue
        file = folder / "list"
        file.write_bytes(data)
        try:
            rows = listed.read(file, member.name, options)
            its = _named(rows, pictures, options)
        except UnreadableError as error:
            errors.append(_within(member, error))
            continue
        finally:
            file.unlink()
        if its.label is None:
            without.append(member.name)
        else:
            found.append(its)
    for name in without:
        told.note("list", f"{shown(name)} names pictures, and no column of it says a class")
    sure = [its for its in found if its.is_sure]
    for its in found if sure else ():
        if not its.is_sure:
            told.note("list", f"{shown(its.rows.name)} names pictures as well; no column of it is called a label")
    return sure or found, errors


def labelled(found: Sequence[Named], pictures: Pictures, options: Options, told: Told) -> Labelled:
    """Give the pictures that lists name, with their labels; raises UnreadableError where lists contradict."""
    if len(found) > 1 and (None in {its.part for its in found} or any(its.split is not None for its in found)):
        called = " and ".join(shown(its.rows.name) for its in found[:_SHOWN])
        raise UnreadableError(
            Fault("file", f"{called} name pictures and classes, all of them",
                  "leave out all but one, or call them train, validation and test")
        )  # fmt: skip
    texts = dict[int, str]()
    places = dict[int, tuple[Listed, int]]()
    parts = np.full(len(pictures.names), 255, np.uint8)
    for its in found:
        _tell(its, told)
        _take(its, texts, places, parts, told)
    column = found[0].rows.names[found[0].label or 0]
    counts = Counter(text.strip() for text in texts.values())
    spoken = unlabelled.said(options) | unlabelled.spoken(counts)
    if told.base is not None:
        spoken |= told.base.spoken
    labels = Labels(column, spoken)
    lacking = [at for at, text in texts.items() if cells.is_missing(text) and text.strip() not in spoken]
    if lacking:
        for at in lacking:
            labels.dropped[texts[at].strip()] += 1
        some = [(places[at][0].where(places[at][1]), texts[at]) for at in sorted(lacking)[:_SHOWN]]
        told.drop(f"no label stands in column {column!r}", len(lacking), some)
        unlabelled.tell_dropped(labels.dropped, len(texts), column, told)
    kept = sorted(texts.keys() - set(lacking))
    unnamed = [name for at, name in enumerate(pictures.names) if at not in texts]
    if unnamed:
        told.drop(
            "no list names the picture", len(unnamed), [(f"member {shown(name)}", "") for name in unnamed[:_SHOWN]]
        )
        told.warn("pictures left out", f"{len(unnamed):,} pictures are named by no list", map(shown, unnamed[:_SHOWN]))
    names = [pictures.names[at] for at in kept]
    split, said = _split(found, names, parts[kept], told.base)
    return Labelled(
        labels, names, [texts[at] for at in kept],
        lambda row: places[kept[row]][0].where(places[kept[row]][1]), split, said, found[0].rows.class_names,
    )  # fmt: skip


def _named(rows: Listed, pictures: Pictures, options: Options) -> Named:
    """Find out what the columns of a list are for; raises UnreadableError where that cannot be told."""
    names = rows.names
    its_label = None if options.label is None else named.place_of(options.label, names, "label")
    split = None if options.split is None else named.place_of(options.split, names, "split")
    ignored = {named.place_of(name, names, "ignore") for name in options.ignore}
    places = [place for place in range(len(names)) if place not in {*ignored, its_label, split}]
    matches = dict[int, Match]()
    for place in places:
        if (match := pictures.match(rows.columns[place][:_SAMPLE].to_pylist(), rows.name)) is not None:
            matches[place] = match
    if not matches:
        first = ", ".join(repr(rows.sample[0][place][:40]) for place in places[:_SHOWN])
        raise UnreadableError(
            Fault(
                f"member {shown(rows.name)}",
                f"none of its columns names files of the archive; its first row is {first}",
                f"write names as the archive has them, as {shown(pictures.names[0])}",
            )
        )
    # A column of numbers may name a few files by chance; that of their names has as many as there are rows.
    file = max(matches, key=lambda place: (matches[place].found, bool(_FILES.fullmatch(names[place].strip())), -place))
    match = matches[file]
    is_short = _FEW * rows.rows < len(pictures.names)
    if match.rival is not None:
        raise (UnreadableError if is_short else UnclearError)(
            Fault(f"member {shown(rows.name)}", f"its names are those of files {match.how}, and {match.rival}",
                  "write the whole path of each file")
        )  # fmt: skip
    rest = [place for place in places if place != file and matches.get(place, _NONE).found < match.found]
    if split is None:
        split = next((place for place in rest if _is_split(rows, place)), None)
    rest = [place for place in rest if place != split]
    why, is_sure = "so it was said", not is_short
    if its_label is None:
        its_label, why, is_sure = _label(rows, rest)
        is_sure = is_sure and not is_short
    folder, _, base = rows.name.rpartition("/")
    part = part_of(base.rpartition(".")[0]) or part_of(folder.rpartition("/")[2])
    return Named(rows, file, match, its_label, why, is_sure, split, None if part is None else part[0])


def _label(rows: Listed, places: Sequence[int]) -> tuple[int | None, str, bool]:
    """Give the column that holds the classes, or None; why, and whether it is called so."""
    try:
        if rows.named and (by_name := label.by_name(rows.names, places)) is not None:
            return *by_name, True
    except UnreadableError as error:
        raise UnclearError(*error.faults) from error
    if len(places) == 1:
        values = Counter(row[places[0]] for row in rows.sample)
        if len(values) <= max(2, values.total() / 2):
            return places[0], "it is the only column beside the files", False
        return None, "", False
    if not places:
        return None, "", False
    place, why, _ = label.in_table(rows, places)
    return place, why, False


def _is_split(rows: Listed, place: int) -> bool:
    values = {row[place].strip().lower() for row in rows.sample} - {""}
    return rows.names[place].strip().lower() in SPLITS and bool(values) and values <= PARTS.keys()


def _take(
    its: Named, texts: dict[int, str], places: dict[int, tuple[Listed, int]], parts: NDArray[np.uint8], told: Told
) -> None:
    """Take the rows of a list; raises UnreadableError where two rows say of one picture two things."""
    rows, faults = its.rows, list[Fault]()
    lost, again = list[int](), list[int]()
    names = rows.columns[its.file].to_pylist()
    labels = rows.columns[its.label or 0].to_pylist()
    splits = None if its.split is None else rows.columns[its.split].to_pylist()
    for row, (name, text) in enumerate(zip(names, labels, strict=True)):
        if (at := its.match.of(plain_name(name))) < 0:
            lost.append(row)
            continue
        part = its.part if its.part is not None else 255
        if splits is not None and (part := PARTS.get(splits[row].strip().lower(), 255)) == 255:
            what = f"{splits[row][:40]!r} is none of train, validation and test"
            column = rows.names[its.split or 0]
            faults.append(Fault(f"{rows.where(row)}, column {column}", what, f'say one, or ignore=["{column}"]'))
        elif at in texts and (texts[at].strip() != text.strip() or parts[at] != part):
            before, its_row = places[at]
            what = f"it says another class or part of {shown(name)} than {before.where(its_row)}"
            faults.append(Fault(rows.where(row), what, "give each picture one line, with one class"))
        elif at in texts:
            again.append(row)
        else:
            texts[at], places[at], parts[at] = text, (rows, row), part
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise UnreadableError(*faults)
    for why, which in (("its file is not in the archive", lost), ("a line before it names the same file", again)):
        if which:
            told.drop(why, len(which), [(rows.where(row), names[row]) for row in which[:_SHOWN]])
            told.warn("lines left out", f"{len(which):,} of {len(names):,} lines of {shown(rows.name)}: {why}",
                      [names[row] for row in which[:_SHOWN]])  # fmt: skip


def _split(
    found: Sequence[Named], names: Sequence[str], parts: NDArray[np.uint8], base: Base | None
) -> tuple[NDArray[np.uint8] | None, tuple[dict[str, object], str]]:
    """Give the part of each picture, and what says so: a column, the names of lists, or folders of pictures."""
    if (split := found[0].split) is not None:
        column = found[0].rows.names[split]
        return parts, ({"column": column}, f"column {column!r} says which part each picture is of")
    if len(found) > 1:
        lists = [its.rows.name for its in found]
        return parts, ({"lists": lists}, f"the lists {', '.join(map(shown, lists))} say which part a picture is of")
    own = [_part_by_folder(name) for name in names]
    if base is not None and 255 in own:
        path = found[0].rows.name.rpartition(".")[0].split("/")
        if (part := part_alone(path, base)) is not None:
            return np.full(len(names), part, np.uint8), ({"lists": [found[0].rows.name]}, "")
    if 255 not in own and (len(set(own)) > 1 or base is not None):
        return np.array(own, np.uint8), ({"folders": True}, "folders of pictures say which part each is of")
    return None, ({}, "")


def _part_by_folder(name: str) -> int:
    return next((PARTS[part] for part in reversed(name.casefold().split("/")[:-1]) if part in PARTS), 255)


def _tell(its: Named, told: Told) -> None:
    rows, place = its.rows, its.label or 0
    told.notes += rows.told.notes
    told.warnings += rows.told.warnings
    told.dropped += rows.told.dropped
    told.taken_for["label"] = {"column": rows.names[place], "place": place, "why": its.why}
    told.note(
        "list",
        f"{shown(rows.name)} says the class of each picture in column {rows.names[place]!r} ({its.why}), and its file "
        f"in column {rows.names[its.file]!r}, {its.match.how}",
    )


def _within(member: Member, error: UnreadableError) -> UnreadableError:
    """Say of faults which member they are of."""
    name = shown(member.name)
    return type(error)(
        *(
            fault if name in fault.where else Fault(f"{name}, {fault.where}", fault.detail, fault.remedy)
            for fault in error.faults
        )
    )


_NONE = Match("", lambda _: -1, 0)
