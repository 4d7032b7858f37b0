"""Folders of classes as other programs pack them, to the byte where that matters; each is the same data set."""

import io
import re
import shutil
import subprocess
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.models.data.reading.archives.made import folders, read, tarred, told_of, zipped
from tests.models.data.reading.forms import faults_of, found_in

CLASSES = ("Birnen", "\u00c4pfel rot")
FILES = {f"Meine Bilder/{name}": data for name, data in folders(*CLASSES, each=12).items()}
WITHOUT_FLAG = {b"PK\x01\x02": 9, b"PK\x03\x04": 7}


class Pipe(io.BytesIO):
    """Where no one can go back: sizes stand behind the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def on_disk(pack: Callable[[Path], Path]) -> bytes:
    """Give what a program packs, which finds the folder `Meine Bilder` in the folder it is given."""
    with tempfile.TemporaryDirectory() as name:
        for member, data in FILES.items():
            path = Path(name, "from", member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return pack(Path(name)).read_bytes()


def archived(form: str, *, inside: bool = False) -> bytes:
    def pack(folder: Path) -> Path:
        root, base = (folder / "from/Meine Bilder", ".") if inside else (folder / "from", "Meine Bilder")
        return Path(shutil.make_archive(str(folder / "packed"), form, root, base))

    return on_disk(pack)


def tar(*options: str, inside: bool = False) -> bytes:
    def pack(folder: Path) -> Path:
        where, what = (folder / "from/Meine Bilder", ".") if inside else (folder / "from", "Meine Bilder")
        subprocess.run(["tar", *options, "-cf", folder / "packed", "-C", where, what], check=True)
        return folder / "packed"

    return on_disk(pack)


def finder(files: Mapping[str, bytes] = FILES, *, flag: bool = True) -> bytes:
    """Pack as macOS' Finder does: letters decomposed, sizes behind the data, folders, and AppleDouble beside each."""
    file, seen = Pipe(), set[str]()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes = b"") -> None:
            about = zipfile.ZipInfo(unicodedata.normalize("NFD", name), (2026, 1, 2, 3, 4, 6))
            about.create_system, about.compress_type = 3, zipfile.ZIP_DEFLATED
            about.external_attr = (0o40755 if name.endswith("/") else 0o100644) << 16
            about.extra = b"UX\x08\0" + bytes(8)
            archive.writestr(about, data)

        for name, data in files.items():
            parts = name.split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth]) + "/"
                if folder not in seen:
                    seen.add(folder)
                    add(folder)
                    add(f"{folder}.DS_Store", b"\0\0\0\1Bud1")
                    add(f"__MACOSX/{folder}._.DS_Store", b"\0\5\x16\7")
            add(name, data)
            add(f"__MACOSX/{'/'.join(parts[:-1])}/._{parts[-1]}", b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    return file.getvalue() if flag else without_flag(file.getvalue())


def without_flag(data: bytes) -> bytes:
    """Take away the mark that names are in UTF-8."""
    changed = bytearray(data)
    for start, place in WITHOUT_FLAG.items():
        for found in re.finditer(re.escape(start), data):
            changed[found.start() + place] &= ~8
    return bytes(changed)


def explorer() -> bytes:
    """Pack as Windows' Explorer did: no folders, names in the code page of the system, made on FAT."""
    data = zipped(
        {name.replace("\u00c4", "@"): data for name, data in FILES.items()} | {"Meine Bilder/Thumbs.db": b"x"}
    )
    return without_flag(data.replace(b"@pfel", b"\x8epfel"))


def github() -> bytes:
    """Give what GitHub's "Download ZIP" does: one folder called after the branch, and all that a repository has."""
    start = "fruits-main/"
    others = {
        "": b"", ".gitignore": b"*.pyc", ".github/workflows/ci.yml": b"on: push", "README.md": b"# Fruits",
        "LICENSE": b"MIT", "train.py": b"import torch", "requirements.txt": b"numpy\ntorch\n",
    }  # fmt: skip
    data = {f"{start}{name.replace('Meine Bilder', 'data')}": data for name, data in FILES.items()}
    return zipped({f"{start}{name}": data for name, data in others.items()} | data)


PACKED: dict[str, Callable[[], bytes]] = {
    "shutil, zip": lambda: archived("zip"),
    "shutil, zip of what is in the folder": lambda: archived("zip", inside=True),
    "shutil, tar": lambda: archived("tar"),
    "shutil, gztar": lambda: archived("gztar", inside=True),
    "tar czf": lambda: tar("-z"),
    "tar czf .": lambda: tar("-z", inside=True),
    "tar, v7": lambda: tar("--format=v7"),
    "tar, ustar": lambda: tar("--format=ustar"),
    "tar, gnu": lambda: tar("--format=gnu"),
    "tar, oldgnu": lambda: tar("--format=oldgnu", inside=True),
    "tar, pax": lambda: tar("--format=pax"),
    "Finder": finder,
    "Finder, as it was": lambda: finder(flag=False),
    "GitHub": github,
    "Google Drive": lambda: zipped(FILES | {"Meine Bilder/Notes.docx": b"PK\3\4"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_whoever_packs_a_folder_of_classes_the_same_files_are_in_it(name: str, tmp_path: Path) -> None:
    members = read(tmp_path, PACKED[name]())
    pictures = {"/".join(member.split("/")[-2:]): data for member, data in members.items() if member.endswith(".png")}
    assert pictures == {member.partition("/")[2]: data for member, data in FILES.items()}


@pytest.mark.parametrize("pack", [finder, github, lambda: tar("-z", inside=True)])
def test_folders_are_classes_whatever_else_was_packed(pack: Callable[[], bytes]) -> None:
    found, examples = found_in(pack())
    assert found.schema.classes == CLASSES
    assert np.bincount(examples.labels).tolist() == [12, 12]
    assert ("hidden files, and those that systems leave behind" in told_of(found)) == (pack in (finder, github))


def test_names_in_a_code_page_are_a_guess_that_is_told() -> None:
    found, _ = found_in(explorer())
    assert found.schema.classes == CLASSES
    assert "names of members that are not ASCII are read as cp437, which is a guess" in told_of(found)


@pytest.mark.parametrize("form", ["bztar", "xztar"])
def test_what_is_compressed_otherwise_is_refused_with_its_remedy(form: str) -> None:
    assert "unpack it, or compress it with gzip" in faults_of(archived(form))[0]


@pytest.mark.parametrize("name", ["BMW", "ORC", "BZh", "Rar!", "GIF89a"])
def test_a_tar_is_one_whatever_its_first_file_is_called(name: str) -> None:
    found, _ = found_in(tarred(folders(name, "other"), "w"))
    assert found.schema.classes == tuple(sorted((name, "other")))
