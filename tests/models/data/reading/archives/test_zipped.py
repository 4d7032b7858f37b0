"""ZIP archives as systems make them, and such as are made to harm whoever unpacks them."""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from models.data.reading.archives import limits
from models.data.reading.archives.members import Member
from models.data.reading.found import UnreadableError
from models.data.reading.told import Told
from tests.models.data.reading.archives.made import listed, read, refused, zipped

FILES = {"cat/1.png": b"1" * 5000, "dog/2.png": os.urandom(3000), "empty.txt": b""}


def notes(told: Told) -> str:
    return "\n".join(entry["detail"] for entry in told.notes + told.warnings)


class Unseekable(io.BytesIO):
    """Somewhere to write to without going back, as a pipe: sizes stand behind the data then."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_what_was_packed(method: int, tmp_path: Path) -> None:
    assert read(tmp_path, zipped(FILES, method)) == FILES


def test_some_members_alone_are_read_in_the_order_of_the_archive(tmp_path: Path) -> None:
    with listed(tmp_path, zipped(FILES)) as archive:
        assert [member for member, _ in archive.contents(["empty.txt", "cat/1.png"])] == [
            Member("cat/1.png", 5000), Member("empty.txt", 0)
        ]  # fmt: skip
        assert 0 < archive.position <= (tmp_path / "archive").stat().st_size


def test_sizes_behind_the_data_and_in_64_bits_are_read(tmp_path: Path) -> None:
    file = Unseekable()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert read(tmp_path, file.getvalue()) == FILES


def test_a_directory_in_64_bits_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    data = zipped(FILES)
    assert b"PK\x06\x06" in data
    assert read(tmp_path, data) == FILES


def test_what_systems_leave_behind_is_left_out_and_told(tmp_path: Path) -> None:
    told = Told()
    junk = [
        "__MACOSX/cat/._1.png",
        "cat/._1.png",
        ".DS_Store",
        "cat/Thumbs.db",
        "cat/desktop.ini",
        ".git/x",
        "a/.hidden",
    ]
    found = read(
        tmp_path, zipped([("cat/1.png", b"1"), ("cat/", b""), ("dog/", b""), *((name, b"x") for name in junk)]), told
    )
    assert list(found) == ["cat/1.png"]
    assert (
        "hidden files, and those that systems leave behind (7): __MACOSX/cat/._1.png, cat/._1.png, .DS_Store, ..."
        in notes(told)
    )


def test_a_leading_dot_and_decomposed_letters_make_no_other_name(tmp_path: Path) -> None:
    with listed(
        tmp_path, zipped([("./a/1.png", b"1"), ("./", b""), ("./b/", b""), ("cafe\u0301/2.png", b"2")])
    ) as archive:
        assert [member.name for member in archive.members] == ["a/1.png", "caf\u00e9/2.png"]
        assert archive.folders == ["b"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../x.png", "leads out of the archive"),
        ("a/../../x.png", "leads out of the archive"),
        ("/etc/passwd", "begins with a slash"),
        ("C:/x.png", "letter of a drive"),
        ("c:x.png", "letter of a drive"),
        ("a//x.png", "no name of its own"),
        ("a/./x.png", "no name of its own"),
        ("a/\x07x.png", "control character"),
        ("a/" + "x" * 1000, "1,002 characters"),
        ("__MACOSX/../../x", "leads out of the archive"),
    ],
)  # fmt: skip
def test_names_that_lead_somewhere_are_refused(name: str, why: str, tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, zipped([("a/1.png", b"1"), (name, b"2")]))
    assert why in fault
    assert "rename it" in fault


@pytest.mark.parametrize(("letter", "why"), [(b"\\", "backslash"), (b"\0", "NUL")])
def test_names_that_only_other_programs_write_are_refused(letter: bytes, why: str, tmp_path: Path) -> None:
    data = zipped([("a/1.png", b"1"), ("a|2.png", b"2")]).replace(b"a|2.png", b"a" + letter + b"2.png")
    (fault,) = refused(tmp_path, data)
    assert why in fault


def test_backslashes_stand_for_slashes_where_no_name_has_a_slash(tmp_path: Path) -> None:
    names, told = ["train|cat|", "train|cat|1.png", "train|d\u00f6g|2.png", "labels.csv"], Told()
    data = zipped([(name, b"1") for name in names], zipfile.ZIP_STORED).replace(b"|", b"\\")
    assert list(read(tmp_path, data, told)) == ["train/cat/1.png", "train/d\u00f6g/2.png", "labels.csv"]
    assert "backslashes in names of members are taken for slashes" in notes(told)
    out = zipped([("a|..|..|x.png", b"1")], zipfile.ZIP_STORED).replace(b"|", b"\\")
    assert "leads out of the archive" in refused(tmp_path, out)[0]
    half = zipped([("k__1.png", b"1")], zipfile.ZIP_STORED).replace(b"k__", b"\x95\\-")
    assert "backslash" in refused(tmp_path, half)[0]


def test_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([("a/1.png", b"1"), ("a/1.png", b"2")])
    assert refused(tmp_path, data) == [
        "member a/1.png: the archive holds more than one of this name; "
        "rename it, or leave it out, and make the archive anew"
    ]
    assert "more than one" in refused(tmp_path, zipped([("caf\u00e9/1", b""), ("cafe\u0301/1", b"")]))[0]


def test_names_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    told = Told()
    assert len(read(tmp_path, zipped([("a/1.png", b"1"), ("A/1.png", b"2"), ("b/2.png", b"2")]), told)) == 2 + 1
    assert "2 files would be one and the same on other systems" in notes(told)


def test_names_without_an_encoding_are_guessed_for_the_whole_archive(tmp_path: Path) -> None:
    plain = zipped([("k__tz/1.png", b"1")], zipfile.ZIP_STORED)
    finder, windows = Told(), Told()
    assert list(read(tmp_path, plain.replace(b"k__tz", "k\u00e4tz".encode()), finder)) == ["k\u00e4tz/1.png"]
    assert "read as utf-8, which is a guess" in notes(finder)
    both = zipped([("k_tze/1.png", b"1"), ("h\u00fcnd/2.png", b"2")])
    assert list(read(tmp_path, both.replace(b"k_tze", "k\u00e4tze".encode("cp437")), windows)) == [
        "k\u00e4tze/1.png", "h\u00fcnd/2.png"
    ]  # fmt: skip
    assert "read as cp437, which is a guess" in notes(windows)


def test_a_link_is_left_out_and_told(tmp_path: Path) -> None:
    file, told = io.BytesIO(), Told()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/1.png", b"1")
        link = zipfile.ZipInfo("a/2.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, b"/etc/passwd")
    assert list(read(tmp_path, file.getvalue(), told)) == ["a/1.png"]
    assert "links, and what is no file (1): a/2.png" in notes(told)


HEADER = 34
"""Bytes that stand before the data of a member with a name of four letters."""


def entry(data: bytes, offset: int, value: int, size: int = 2) -> bytes:
    """Change a number in the first entry of the directory."""
    place = data.index(b"PK\x01\x02") + offset
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, entry(zipped(FILES), 8, 1))
    assert fault == "member cat/1.png: it is encrypted; make the archive anew, without a password"


@pytest.mark.parametrize(("method", "called"), [(9, "Deflate64"), (12, "bzip2"), (14, "LZMA"), (77, "method 77")])
def test_methods_of_compression_that_are_not_read_are_named(method: int, called: str, tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, entry(zipped(FILES), 10, method))
    assert f"compressed with {called}" in fault
    assert "zip -r" in fault


def test_a_member_of_other_bytes_than_were_packed_is_refused(tmp_path: Path) -> None:
    stored = zipped(FILES, zipfile.ZIP_STORED)
    assert "CRC-32" in refused(tmp_path, stored.replace(b"1" * 5000, b"1" * 4999 + b"2"))[0]
    deflated = zipped(FILES)
    place = deflated.index(b"cat/1.png") + len("cat/1.png")
    assert "damaged" in refused(tmp_path, deflated[:place] + b"\xff\xff" + deflated[place + 2 :])[0]


def test_a_member_that_holds_more_or_less_than_it_says_is_refused(tmp_path: Path) -> None:
    assert "more bytes than the archive says" in refused(tmp_path, entry(zipped(FILES), 24, 4999, 4))[0]
    assert "size or CRC-32" in refused(tmp_path, entry(zipped(FILES), 24, 5001, 4))[0]
    assert "two sizes" in refused(tmp_path, entry(zipped(FILES, zipfile.ZIP_STORED), 24, 5001, 4))[0]
    assert "cut off" in refused(tmp_path, entry(zipped(FILES), 20, 5, 4))[0]


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_an_archive_that_is_cut_off_is_refused(kept: float, tmp_path: Path) -> None:
    data = zipped(FILES)
    (fault,) = refused(tmp_path, data[: int(len(data) * kept)])
    assert "cut off or damaged" in fault
    assert "send the whole of it" in fault


def test_a_damaged_directory_is_refused(tmp_path: Path) -> None:
    data = zipped(FILES)
    end = data.rindex(b"PK\x05\x06")
    assert "damaged" in refused(tmp_path, data.replace(b"PK\x01\x02", b"PK\x01\x03"))[0]
    assert "damaged" in refused(tmp_path, entry(data, 28, 60_000))[0]
    assert "beyond its end" in refused(tmp_path, entry(data, 42, 2**31, 4))[0]
    assert "where they should" in refused(tmp_path, entry(data, 42, 3, 4))[0]
    assert "should" in refused(tmp_path, data[: end + 16] + b"\xff\xff\xff\x7f" + data[end + 20 :])[0]
    assert "one part of several" in refused(tmp_path, data[: end + 4] + b"\1\0\2\0" + data[end + 8 :])[0]
    assert "one part of several" in refused(tmp_path, entry(data, 34, 3))[0]
    assert "missing" in refused(tmp_path, entry(data, 24, 2**32 - 1, 4))[0]


def bomb(members: int) -> bytes:
    """Give a ZIP of which all members are the same bytes (David Fifield's first kind)."""
    one = zipped({"0000": b"\0" * 50_000})
    start = one.index(b"PK\x01\x02")
    its = one[start : one.rindex(b"PK\x05\x06")]
    directory = b"".join(its.replace(b"0000", f"{number:04}".encode()) for number in range(members))
    return (
        one[:start] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, len(directory), start, 0)
    )


def quoted(members: int) -> bytes:
    """Give a ZIP of which each member's bytes are the header of the next, stored, and all that follows it."""
    plain = bytes(10_000)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    body, behind, entries = b"", deflater.compress(plain) + deflater.flush(), list[tuple[bytes, int]]()
    for number in reversed(range(members)):
        name = f"{number:04}".encode()
        packed = behind if not body else b"\0" + struct.pack("<HH", HEADER, HEADER ^ 0xFFFF) + body
        plain = body[:HEADER] + plain
        fields = struct.pack("<5H3L2H", 20, 0, 8, 0, 0, zlib.crc32(plain), len(packed), len(plain), len(name), 0)
        body = b"PK\3\4" + fields + name + packed
        entries.append((b"PK\1\2\x14\0" + fields + bytes(10) + b"%s" + name, len(body)))
    its = b"".join(entry.replace(b"%s", struct.pack("<L", len(body) - back)) for entry, back in entries[::-1])
    return body + its + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, len(its), len(body), 0)


def test_the_bomb_is_one() -> None:
    with zipfile.ZipFile(io.BytesIO(quoted(100))) as archive:
        assert sum(len(archive.read(name)) for name in archive.namelist()) > 100 * len(quoted(100))


@pytest.mark.parametrize("make", [bomb, quoted])
def test_members_that_lie_upon_each_other_are_refused(make: object, tmp_path: Path) -> None:
    assert callable(make)
    (fault,) = refused(tmp_path, make(50))
    assert "lie upon each other" in fault


def test_a_member_that_is_inflated_too_far_is_refused(tmp_path: Path) -> None:
    zeros = {"a.bmp": bytes(3 * 2**20), "b": os.urandom(20_000)}
    (fault,) = refused(tmp_path, zipped(zeros))
    assert fault.startswith("member a.bmp: unpacked, it takes more than 1,000 times the bytes that it has")
    assert read(tmp_path, zipped({"a.bmp": bytes(2**20)})).keys() == {"a.bmp"}


def test_an_archive_that_is_inflated_too_far_is_refused_by_what_it_says(tmp_path: Path) -> None:
    many = {f"{number}": bytes(9 * 2**20) for number in range(2)}
    assert "file: unpacked, it takes more than 1,000 times" in refused(tmp_path, zipped(many))[0]
    data = zipped({"a": bytes(9)})
    assert "1,000 times" in refused(tmp_path, entry(data, 24, 2**32 - 2, 4))[0]
    with pytest.raises(UnreadableError, match="more than 8 GiB"):
        limits.check_inflated("file", 8 * 2**30 + 1, 8 * 2**30)


def test_a_member_larger_than_the_bound_is_refused_or_streamed(tmp_path: Path) -> None:
    data = {"a.png": os.urandom(3000)}
    assert "member a.png: it takes 0.0 MiB" in refused(tmp_path, zipped(data), most_member=2999)[0]
    with listed(tmp_path, zipped(data), most_member=10) as archive, archive.open(archive.members[0]) as stream:
        assert stream.read() == data["a.png"]


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_MEMBERS", 2)
    assert refused(tmp_path, zipped(FILES)) == [
        "file: the archive has more than 2 members; send fewer of them, or several archives, one after the other"
    ]
    monkeypatch.setattr(limits, "MOST_MEMBERS", 3)
    monkeypatch.setattr(limits, "MOST_CHARACTERS", 10)
    assert "names of its members" in refused(tmp_path, zipped(FILES))[0]


def test_a_hundred_thousand_members_take_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    with zipfile.ZipFile(file, "w") as archive:
        one = zipfile.ZipInfo("x")
        for number in range(1000):
            one = zipfile.ZipInfo(f"train/{number % 10}/picture {number:04}-00.png")
            archive.writestr(one, b"x")
    data = file.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    body, its = data[:start], data[start:end]
    # A hundred times the same, each with names and places of its own, by their fixed lengths.
    assert len(its) % 1000 == 0
    script = """
import resource, sys
from pathlib import Path
from models.data.reading.archives.zipped import open_zip
from models.data.reading.told import Told
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_zip(Path(sys.argv[1]), Told()) as archive:
    assert len(archive.members) == 100_000
    count = sum(data == b"x" for _, data in archive.contents({m.name for m in archive.members[::1000]}))
assert count == 100, count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    length = len(its) // 1000
    directory = bytearray()
    for copy in range(100):
        piece = bytearray(its.replace(b"-00.png", f"-{copy:02}.png".encode()))
        for number in range(1000):
            (offset,) = struct.unpack_from("<L", piece, number * length + 42)
            struct.pack_into("<L", piece, number * length + 42, offset + copy * len(body))
        directory += piece
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 100 * len(body), 0)
    file.write_bytes(body * 100 + directory + record)
    run = subprocess.run([sys.executable, "-c", script, str(file)], check=True, capture_output=True, text=True)
    assert int(run.stdout) < 60 * 1024
