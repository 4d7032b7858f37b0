"""Which class the pictures in each folder are of, and which part: class folders, in or above folders of a split.

A path is the names of a folder and of those around it, from the outside in.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.data.examples import TRAIN
from models.data.reading.adding.base import Base
from models.data.reading.archives.members import shown
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.roles import PARTS

Path = tuple[str, ...]

_ONE_EACH = "put the pictures of each class into one folder of its name"
LIST = "or add a list of them, a CSV with the columns file_name and label"
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+")
_NO_CLASSES = frozenset({
    "images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "masks", "mask", "labels", "label",
    "annotations", "annotation", "segmentation", "segmentations", "ground_truth", "groundtruth", "gt", "bboxes",
})  # fmt: skip


@dataclass
class Layout:
    """Of each folder with pictures, the class and the part of these; or why they are left out. Sentences tell of it."""

    places: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    split: str | None = None
    around: Path = ()


def find(counts: Mapping[str, int], *, least: int = 2) -> Layout:
    """Find out what folders mean, by how many pictures lie straight in each; raises UnreadableError where none can say.

    `counts` are by the names of folders, with slashes between those that lie in each other; "" is the archive itself.
    `least` is how many classes there are to be.
    """
    paths = {tuple(name.split("/")) if name else (): count for name, count in counts.items()}
    found = Layout()
    around, inner = _unwrapped(paths, (), found)
    found.around = around
    tops = _tops(inner)
    known = {top: part for top in tops if (part := part_of(top)) is not None}
    if around:
        found.notes.append(f"all classes lie in the folder {shown('/'.join(around))}")
    if not tops:
        raise _no_classes(paths)
    trained = [top for top in known if known[top][0] == TRAIN and any(len(path) > 1 for path in _below(inner, top))]
    of_parts = len({part for part, _ in known.values()}) > 1
    if trained and not of_parts and len({path[1] for path in _below(inner, trained[0]) if len(path) > 1}) > 1:
        raise UnreadableError(
            Fault(
                f"folder {shown(trained[0])}",
                "whether it is a class, or holds those of them that are to learn from, cannot be told",
                "put the other folders beside it into one called test, or take them out",
            )
        )
    if of_parts and (trained or known.keys() == tops):
        _parts_above(inner, around, {top: part for top, (part, _) in known.items()}, found)
    else:
        _classes(inner, around, found)
    if len({label for label, _ in found.places.values()}) < least:
        raise _no_classes(paths)
    return found


def part_of(name: str) -> tuple[int, Path] | None:
    """Give the part that a folder or file is called after, as `training_set`, and the other words of its name."""
    words = [word.casefold() for word in _WORDS.findall(name)]
    said = [word for word in words if word in PARTS]
    return (PARTS[said[0]], tuple(word for word in words if word != said[0])) if len(said) == 1 else None


def part_alone(names: Iterable[str], base: Base) -> int | None:
    """Give the part that the folders around all pictures, or the name of a list, say of what is appended to a version.

    Where that has no split, `test upload` is no word for one, and `test` is.
    """
    for name in names:
        if (part := PARTS.get(name.casefold())) is not None:
            return part
        if base.examples.parts is not None and (loose := part_of(name)) is not None:
            return loose[0]
    return None


def _classes(inner: Mapping[Path, int], around: Path, found: Layout) -> None:
    """Take the outermost folders for classes, and those within each for parts, if they are called so."""
    loose = inner.get((), 0)
    inside = {path: count for path, count in inner.items() if path}
    if loose > sum(inside.values()):
        raise _no_classes(inner)
    if loose:
        found.left_out["/".join(around)] = "lie beside the folders of classes"
    called = {path: part for path in inside if len(path) > 1 and (part := PARTS.get(path[1].casefold())) is not None}
    if called and len(set(called.values())) > 1:
        if len(called) < len(inside):
            other = next(path for path in inside if path not in called)
            raise UnreadableError(
                Fault(
                    f"folder {shown('/'.join((*around, *other)))}",
                    f"it says no part, as {shown('/'.join((*around, *next(iter(called)))))} does",
                    "put all pictures of a class into folders called train, validation or test, or none of them",
                )
            )
        found.places.update({"/".join((*around, *path)): (path[0], called[path]) for path in inside})
        found.notes.append("each class has folders of its parts")
        found.split = "folders within those of classes say which part a picture is of"
        return
    labels = _nested(inside, found)
    found.places.update({"/".join((*around, *path)): (label, None) for path, label in labels.items()})


def _parts_above(inner: Mapping[Path, int], around: Path, known: Mapping[str, int], found: Layout) -> None:
    """Take folders for parts, and those within them for classes."""
    within = dict[str, dict[Path, tuple[int, Path]]]()
    names = set[str]()
    for top in sorted(known, key=lambda top: (known[top], top)):
        below = {path[1:]: count for path, count in inner.items() if path and path[0] == top}
        wrapped, rest = _unwrapped(below, names, found, (*around, top))
        of_it = {path: (count, (top, *wrapped, *path)) for path, count in rest.items()}
        its_classes = _tops(rest)
        if known[top] == TRAIN:
            names |= its_classes
        elif not its_classes or (len(its_classes) == 1 and not its_classes & names):
            for _, path in of_it.values():
                found.left_out["/".join((*around, *path))] = f"have no class, in {shown(top)}"
            continue
        if known[top] != TRAIN and (new := its_classes - names):
            some = ", ".join(map(shown, sorted(new)[:3]))
            if len(new) == len(its_classes):
                raise UnreadableError(
                    Fault(f"folder {shown(top)}", f"none of its folders, as {some}, is one of those to learn from",
                          "give each class the same name in all parts, or take the folder out")
                )  # fmt: skip
            found.doubts.append(f"classes of the folder {shown(top)} that none of those to learn from is of: {some}")
        within[top] = of_it
    if not names:
        raise _no_classes(inner)
    for path in inner:
        if not path or path[0] not in known:
            if len(path) > 1:
                raise UnreadableError(
                    Fault(f"folder {shown('/'.join((*around, *path)))}", "it lies beside folders of parts, and is none",
                          "put it into one of them, or take it out")
                )  # fmt: skip
            found.left_out["/".join((*around, *path))] = "lie beside the folders of parts"
    counts = defaultdict[Path, int](int)
    for of_it in within.values():
        for path, (count, whole) in of_it.items():
            if path:
                counts[path] += count
            else:
                found.left_out["/".join((*around, *whole))] = "lie beside the folders of classes"
    labels = _nested(counts, found)
    for top, of_it in within.items():
        found.places.update(
            {"/".join((*around, *whole)): (labels[path], known[top]) for path, (_, whole) in of_it.items() if path}
        )
    found.split = f"the folders {', '.join(map(shown, within))} say which part a picture is of"


def _nested(paths: Mapping[Path, int], found: Layout) -> dict[Path, str]:
    """Give the class of each path: its first name, where those within it cannot be classes themselves."""
    inside, owners = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    straight = {path[0] for path in paths if len(path) == 1}
    for path in paths:
        if len(path) > 1:
            inside[path[0]].add(path[1])
            owners[path[1]].add(path[0])
    for top, names in inside.items():
        if top not in straight and len(names) > 1 and any(len(owners[name]) < 2 for name in names):
            some = sorted(names)[:2]
            raise UnreadableError(
                Fault(
                    f"folder {shown(top)}",
                    f"whether it is a class, or each of those in it, as {shown(some[0])} and {shown(some[1])}, cannot "
                    "be told",
                    f"{_ONE_EACH}, with none in it; {LIST}",
                )
            )
    tops = {path[0] for path in paths}
    if len(tops) > 1 and {top.casefold() for top in tops} <= _NO_CLASSES:
        raise UnreadableError(
            Fault(
                "folders",
                f"{', '.join(sorted(map(shown, tops)))} are no names of classes; pictures beside masks are for "
                "segmentation, which Tenfold does not do",
                f"{_ONE_EACH}; {LIST}",
            )
        )
    if inside:
        some = [f"{top}/{sorted(names)[0]}" for top, names in sorted(inside.items())[:3]]
        found.doubts.append(f"pictures in folders within those of classes are of the outer one: {', '.join(some)}")
    return {path: path[0] for path in paths}


def _unwrapped(
    paths: Mapping[Path, int], but: Iterable[str], found: Layout, outside: Path = ()
) -> tuple[Path, dict[Path, int]]:
    """Give the folders around all others, and the paths within them; those that are called `but` so are none.

    Single pictures beside such a folder are left out.
    """
    around, inner = list[str](), dict(paths)
    while len(tops := _tops(inner)) == 1 and any(len(path) > 1 for path in inner) and not tops & set(but):
        if loose := inner.pop((), 0):
            if loose > sum(inner.values()):
                raise _no_classes(paths)
            found.left_out["/".join((*outside, *around))] = "lie beside the folder in which all others are"
        around += tops
        inner = {path[1:]: count for path, count in inner.items()}
    return tuple(around), inner


def _tops(paths: Iterable[Path]) -> set[str]:
    return {path[0] for path in paths if path}


def _below(paths: Iterable[Path], top: str) -> list[Path]:
    return [path for path in paths if path and path[0] == top]


def _no_classes(paths: Mapping[Path, int]) -> UnreadableError:
    lies = max(paths, key=lambda path: paths[path])
    where = f"folder {shown('/'.join(lies))}" if lies else "file"
    what = f"{paths[lies]:,} pictures lie in one folder, and nothing says of which class each is"
    return UnreadableError(Fault(where, what, f"{_ONE_EACH}, as cat/1.png and dog/2.png, of at least two; {LIST}"))
