"""The files of a built-in data set: where they lie, under the names that people have them by, and what is in them."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.data.builtin import BUILTIN, BuiltIn, Source


def folders(name: str, builtin: BuiltIn, folder: Path) -> list[Path]:
    """Give where the files of a data set may lie, torchvision's place first."""
    own = str(builtin.torchvision)
    places = [f"{own}/raw", own, f"{name}/raw", name, name.replace("_", "-")]
    # Straight in the folder lie MNIST's: others have files of the same names. QMNIST's are its own.
    if name == "mnist" or builtin.files[0].name.startswith(name):
        places.append(".")
    return [folder / place for place in dict.fromkeys(places)]


def find(name: str, builtin: BuiltIn, files: Sequence[Source], folder: Path) -> list[Path] | None:
    """Find some files of a data set in one of its folders, as they are or as .gz; None when there is no such folder."""
    for place in folders(name, builtin, folder):
        found = [_first(place, source) for source in files]
        if all(found):
            return [path for path in found if path is not None]
    return None


def looked_for(name: str, builtin: BuiltIn, folder: Path) -> str:
    """Tell where files of a data set should be, where they were looked for, and which alone were found."""
    first, *others = folders(name, builtin, folder)
    names = " and ".join(source.name for source in builtin.files)
    found = [path for place in [first, *others] for source in builtin.files if (path := _first(place, source))]
    alone = f"; found alone: {', '.join(map(str, found))}" if found else ""
    places = ", ".join(str(place.relative_to(folder)) for place in others)
    return f"put {names} (or these with .gz) into {first}, or into one of {places} beside it{alone}"


def _first(place: Path, source: Source) -> Path | None:
    return next((path for path in _called(place, source.name) if path.is_file()), None)


def _called(place: Path, name: str) -> Iterator[Path]:
    dotted = name.replace("-idx", ".idx")
    yield from (place / name, place / dotted)
    # Kaggle's archive has each file in a folder of its own.
    yield from (place / name / name, place / dotted / dotted)
    yield from (place / f"{name}.gz", place / f"{dotted}.gz")


def content(path: Path, source: Source, name: str) -> bytes:
    """Read a file, decompressed; raises ValueError that says what is wrong with it, by its name and sizes."""
    try:
        size = path.stat().st_size
        if path.suffix != ".gz":
            # Not read at all: it may be anything, and of any length.
            _require_size(path, size, source)
            return path.read_bytes()
        if source.sha256 is None and size < source.size:
            _require(path, source.gz_md5, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), name)
        with gzip.open(path) as file:
            data = file.read(source.size + 1)
    except EOFError as error:
        raise ValueError(
            f"{path} is cut off after {size:,} bytes: what is compressed in it has no end; put the whole file there"
        ) from error
    except (OSError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}; put the original there") from error
    _require_size(path, len(data), source)
    return data


def require_known(path: Path, data: bytes, source: Source, name: str) -> None:
    """Raise ValueError, which names the file, unless its content is that of the data set, as far as it is known."""
    if source.sha256 is not None:
        _require(path, source.sha256, hashlib.sha256(data).hexdigest(), name)


def _require_size(path: Path, size: int, source: Source) -> None:
    if size != source.size:
        holds = (
            f"{path} holds {size:,} bytes" if size < source.size else f"{path} holds more than {source.size:,} bytes"
        )
        why = f"it is cut off, {source.size:,} are right" if size < source.size else "it is another file"
        raise ValueError(f"{holds}: {why}; put the original {source.name} there")


def _require(path: Path, known: str, found: str, name: str) -> None:
    if found == known:
        return
    others = (
        other for other, its in BUILTIN.items() for source in its.files if found in {source.sha256, source.gz_md5}
    )
    owner = next(others, None)
    whose = f"; they are those of {owner!r}" if owner else ""
    raise ValueError(
        f"these are not the bytes of {name!r}: {path} has the digest {found[:16]}..., and {known[:16]}... is right"
        f"{whose}; put the original there, or upload data of your own with POST /datasets"
    )
