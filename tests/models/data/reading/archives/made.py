"""Archives in the exact forms that people have, and such as are made to harm."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.reading.archives.members import Archive
from models.data.reading.archives.tarred import open_tar
from models.data.reading.archives.zipped import open_zip
from models.data.reading.found import Found, UnreadableError
from models.data.reading.told import Told

Files = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack files as Python does, in this order; names that end with a slash are folders."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in pairs(files):
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: Files, mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack files as `tar czf` does."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in pairs(files):
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def pairs(files: Files) -> Iterable[tuple[str, bytes]]:
    return files.items() if isinstance(files, Mapping) else files


def listed(tmp_path: Path, data: bytes, told: Told | None = None, **bounds: int) -> Archive:
    """Open an archive of these bytes, whichever it is."""
    file = tmp_path / "archive"
    file.write_bytes(data)
    told = Told() if told is None else told
    if data.startswith(b"PK"):
        return open_zip(file, told, **bounds)
    return open_tar(file, told, compressed=data.startswith(b"\x1f\x8b"), **bounds)


def read(tmp_path: Path, data: bytes, told: Told | None = None, **bounds: int) -> dict[str, bytes]:
    """Give all that an archive holds, read in both of the ways that there are."""
    with listed(tmp_path, data, told, **bounds) as archive:
        found = {member.name: data for member, data in archive.contents()}
        for member in archive.members:
            with archive.open(member) as stream:
                assert stream.read() == found[member.name]
            assert len(found[member.name]) == member.size
    return found


def refused(tmp_path: Path, data: bytes, **bounds: int) -> list[str]:
    """Give the faults of an archive that cannot be read, a sentence each."""
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path, data, None, **bounds)
    assert all(fault.where and fault.detail and fault.remedy for fault in caught.value.faults)
    assert str(tmp_path) not in str(caught.value.as_dicts())
    return [f"{fault.where}: {fault.detail}; {fault.remedy}" for fault in caught.value.faults]


@cache
def picture(number: int) -> bytes:
    """Give a small grey PNG, another one for each number."""
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def folders(*names: str, each: int = 10, start: int = 0) -> dict[str, bytes]:
    """Give pictures in folders of these names; all are distinct."""
    return {
        f"{name}/{number}.png": picture(start + place * each + number)
        for place, name in enumerate(names)
        for number in range(each)
    }


def told_of(found: Found) -> str:
    """Give all sentences of a reading."""
    reading = found.reading
    warned = [f"{entry['detail']} {' '.join(entry['examples'])}" for entry in reading["warnings"]]
    dropped = [f"{entry['count']} dropped: {entry['why']}" for entry in reading["dropped"]]
    return "\n".join([*(entry["detail"] for entry in reading["notes"]), *warned, *dropped])
