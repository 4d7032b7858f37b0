"""TAR archives as systems make them, and such as are made to harm whoever unpacks them."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from models.data.reading.archives.members import Member
from models.data.reading.told import Told
from tests.models.data.reading.archives.made import listed, read, refused, tarred

FILES = {"cat/1.png": b"1" * 5000, "dog/2.png": os.urandom(3000), "empty.txt": b"", "c\u00e4t/3.png": b"3"}
MODES = ["w:gz", "w"]
LONG = "a folder with a long name/" * 9 + "p\u00e4cture.png"

both = pytest.mark.parametrize("mode", MODES)


def notes(told: Told) -> str:
    return "\n".join(entry["detail"] for entry in told.notes + told.warnings)


@both
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_what_was_packed(mode: str, form: int, tmp_path: Path) -> None:
    told = Told()
    assert read(tmp_path, tarred(FILES, mode, form), told) == FILES
    assert not told.notes + told.warnings


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_both_of_their_forms(form: int, tmp_path: Path) -> None:
    assert read(tmp_path, tarred({LONG: b"1", "short": b"2"}, "w:gz", form)) == {LONG: b"1", "short": b"2"}


@both
def test_some_members_alone_are_read(mode: str, tmp_path: Path) -> None:
    with listed(tmp_path, tarred(FILES, mode)) as archive:
        chosen = [(member, data) for member, data in archive.contents(["empty.txt", "c\u00e4t/3.png"])]
        assert chosen == [(Member("empty.txt", 0), b""), (Member("c\u00e4t/3.png", 1), b"3")]
        assert 0 < archive.position <= (tmp_path / "archive").stat().st_size


def test_what_tar_writes_of_the_folder_it_is_in_is_no_part_of_names(tmp_path: Path) -> None:
    with listed(tmp_path, tarred([("./", b""), ("./dog/", b""), ("./cat/1.png", b"1"), ("./._x", b"")])) as archive:
        assert [member.name for member in archive.members] == ["cat/1.png"]
        assert archive.folders == ["dog"]


def special(kind: bytes, **about: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        one = tarfile.TarInfo("a/1.png")
        one.size = 1
        archive.addfile(one, io.BytesIO(b"1"))
        other = tarfile.TarInfo("a/2.png")
        other.type = kind
        for name, value in about.items():
            setattr(other, name, value)
        archive.addfile(other)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "links"),
        (tarfile.LNKTYPE, "links"),
        (tarfile.CHRTYPE, "devices"),
        (tarfile.BLKTYPE, "devices"),
        (tarfile.FIFOTYPE, "pipes"),
    ],
)
def test_what_is_no_file_is_left_out_and_told(kind: bytes, what: str, tmp_path: Path) -> None:
    told = Told()
    assert read(tmp_path, special(kind, linkname="/etc/passwd"), told) == {"a/1.png": b"1"}
    assert f"{what} (1): a/2.png" in notes(told)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../x.png", "leads out of the archive"),
        ("/etc/passwd", "begins with a slash"),
        ("C:/x.png", "letter of a drive"),
        ("a\\x.png", "backslash"),
        ("a//x.png", "no name of its own"),
        ("a/\nx.png", "control character"),
    ],
)
def test_names_that_lead_somewhere_are_refused(name: str, why: str, tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, tarred([("a/1.png", b"1"), (name, b"2")]))
    assert why in fault
    assert "rename it" in fault


def test_a_nul_that_a_pax_header_carries_is_refused(tmp_path: Path) -> None:
    data = tarred({LONG: b"1"}, "w", tarfile.PAX_FORMAT).replace(b"with a long", b"with\0a long", 1)
    assert "NUL" in refused(tmp_path, data)[0]


def test_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    assert "more than one of this name" in refused(tmp_path, tarred([("a/1.png", b"1"), ("./a/1.png", b"2")]))[0]


def test_names_that_are_no_utf_8_are_guessed_and_told(tmp_path: Path) -> None:
    told = Told()
    data = tarred({"k_tz/1.png": b"1"}, "w", tarfile.USTAR_FORMAT)
    header = tarfile.TarInfo("k\u00e4tz/1.png")
    header.size = 1
    data = header.tobuf(tarfile.USTAR_FORMAT, "latin-1") + data[512:]
    assert list(read(tmp_path, data, told)) == ["k\u00e4tz/1.png"]
    assert "latin-1, which is a guess" in notes(told)


@pytest.mark.parametrize("form", ["old", "pax"])
def test_files_with_holes_are_refused(form: str, tmp_path: Path) -> None:
    info = tarfile.TarInfo("a/1.png")
    if form == "old":
        data = special(tarfile.GNUTYPE_SPARSE)
    else:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
            archive.addfile(info)
        data = file.getvalue()
    assert "make it anew without --sparse" in refused(tmp_path, data)[0]


@both
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.8])
def test_an_archive_that_is_cut_off_is_refused(mode: str, kept: float, tmp_path: Path) -> None:
    data = tarred({f"{number}": os.urandom(5000) for number in range(9)}, mode)
    assert "cut off" in refused(tmp_path, data[: int(len(data) * kept)])[0]


def test_an_archive_without_an_end_is_told(tmp_path: Path) -> None:
    told = Told()
    assert read(tmp_path, tarred({"a": b"1"}, "w")[:1024], told) == {"a": b"1"}
    assert "it may be cut off" in notes(told)


def header(kind: bytes = tarfile.REGTYPE, size: int = 0, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(data: bytes) -> bytes:
    return header(tarfile.XHDTYPE, len(data)) + data + bytes(-len(data) % 512) + header()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (header(size=-512), "fewer bytes than none"),
        (header(size=2**50), "more than 8 GiB"),
        (header(size=2**30), "ends within a file"),
        (header(tarfile.GNUTYPE_LONGNAME, 2**33), "more stands in the header"),
        (header(tarfile.XHDTYPE, 2**33), "more stands in the header"),
        (header(tarfile.XHDTYPE) * 40 + header(), "more stands in the header"),
        (pax(b"12 path=abc\n" * 2 + b"0" * 500), "pax header is wrong"),
        (pax(b"9" * 60_000), "pax header is wrong"),
        (pax(b"11 size=-1\n"), "a size that is none"),
        (header(name="y")[:200] + b"\1" + header(name="y")[201:], "a header is wrong"),
        (header()[:100], "ends within a header"),
    ],
)
def test_headers_that_are_made_to_harm_are_refused(data: bytes, why: str, tmp_path: Path) -> None:
    first = tarred({"a": b"1"}, "w")[:1024]
    for packed in (first + data + bytes(1024) * bool(len(data) % 512 == 0), gzip.compress(first + data)):
        (fault,) = refused(tmp_path, packed)
        assert why in fault


def test_an_archive_that_is_inflated_too_far_is_refused(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, tarred({"a": bytes(20 * 2**20)}))
    assert fault.startswith("file: unpacked, it takes more than 1,000 times the bytes that it has")


@both
def test_a_member_larger_than_the_bound_is_refused_or_streamed(mode: str, tmp_path: Path) -> None:
    data = {"b": b"", "a.png": os.urandom(3000)}
    assert "member a.png: it takes 0.0 MiB" in refused(tmp_path, tarred(data, mode), most_member=2999)[0]
    with listed(tmp_path, tarred(data, mode), most_member=10) as archive, archive.open(archive.members[1]) as stream:
        assert stream.read() == data["a.png"]


def test_headers_are_read_as_python_reads_them(tmp_path: Path) -> None:
    names = ["a/" * 40 + "b" * 90, "d\u00f6g/1.png", "folder/", "x" * 100, "y" * 99 + "/z"]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = tarred({name: b"" if name.endswith("/") else b"123" for name in names}, "w", form)
        with tarfile.open(fileobj=io.BytesIO(data)) as theirs, listed(tmp_path, data) as ours:
            assert [(m.name, m.size) for m in ours.members] == [(m.name, m.size) for m in theirs if m.isreg()]
            assert list(ours.folders) == [m.name for m in theirs if m.isdir()]
    whole = bytearray(tarred({"a/1.png": b"1"}, "w", tarfile.USTAR_FORMAT))
    whole[148:154] = b"%06o" % (int(whole[148:154], 8) + 1)
    assert "a header is wrong (bad checksum)" in refused(tmp_path, bytes(whole))[0]
