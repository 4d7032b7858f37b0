"""Archives of which any byte may be another one: they are read, or refused, and nothing else happens."""

import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models.data.reading.found import UnreadableError
from tests.models.data.reading.archives.made import read, tarred, zipped

FILES = {"cat/1.png": b"1" * 300, "dog/2 \u00e4.png": bytes(range(200)), "a folder/" * 14 + "x": b"3", "empty": b""}
TRIES = 150


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Change, take out or repeat some bytes, or cut the end off."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not broken:
            break
        place = chance.randrange(len(broken))
        match chance.randrange(5):
            case 0:
                broken[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            case 1:
                broken[place : place + 8] = chance.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7])
            case 2:
                del broken[place : place + chance.randint(1, 40)]
            case 3:
                broken[place:place] = broken[max(0, place - chance.randint(1, 600)) : place]
            case _:
                broken = broken[: max(1, place)]
    return bytes(broken)


@pytest.mark.parametrize(
    "pack",
    [
        zipped,
        tarred,
        lambda files: tarred(files, "w"),
        lambda files: tarred(files, "w", tarfile.GNU_FORMAT),
    ],
    ids=["zip", "tar.gz", "pax", "gnu"],
)
def test_an_archive_with_other_bytes_is_read_or_refused(pack: Callable[[object], bytes], tmp_path: Path) -> None:
    data = pack(FILES)
    refused = 0
    for seed in range(TRIES):
        broken = damaged(data, random.Random(seed))
        if not broken.startswith(data[:2]):
            continue
        try:
            found = read(tmp_path, broken)
        except UnreadableError:
            refused += 1
            continue
        assert sum(map(len, found.values())) < 10_000
    assert refused
