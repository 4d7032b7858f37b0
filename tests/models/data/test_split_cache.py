"""What is prepared once is the same when it is found again, and whatever happens to the files harms nobody."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.compiled import library
from models.data.examples import Examples
from models.data.gathered import Pixels, whole
from models.data.split import Split, divide, prepare
from models.data.split_cache import SplitCache
from models.data.stored import LABELS, PARTS, VALUES, Stored
from models.spec import TrainingSpec
from tests.waiting import wait_until

ARRAYS: dict[str, NDArray[Any]] = {
    "a": np.arange(6000, dtype=np.float32).reshape(60, 100),
    "none": np.zeros((0, 3), np.uint8),
}
NOTED = {"mean": 0.1 + 0.2}
KEY = {"data": "abc", "seed": 1}


@pytest.fixture
def cache(tmp_path: Path) -> SplitCache:
    return SplitCache(tmp_path / "cache", 10**6)


def only(cache: SplitCache) -> Path:
    (place,) = cache.folder.iterdir()
    return place


def test_what_was_kept_is_found_to_the_bit_and_under_its_own_key_alone(cache: SplitCache) -> None:
    assert cache.find(KEY) is None
    cache.keep(KEY, NOTED, ARRAYS)
    found = cache.find(dict(reversed(KEY.items())))
    assert found is not None
    assert found[0] == NOTED
    for name, array in ARRAYS.items():
        assert (found[1][name].dtype, found[1][name].shape) == (array.dtype, array.shape)
        assert found[1][name].tobytes() == array.tobytes()
    assert cache.find(KEY | {"seed": 2}) is None


def test_who_writes_to_what_was_found_writes_for_itself_alone(cache: SplitCache) -> None:
    cache.keep(KEY, NOTED, ARRAYS)
    mine, others = cache.find(KEY), cache.find(KEY)
    assert mine is not None
    assert others is not None
    mine[1]["a"][:] = -1
    assert (others[1]["a"] == ARRAYS["a"]).all()


def cut_off(place: Path) -> None:
    (place / "a.npy").write_bytes((place / "a.npy").read_bytes()[:-1])


def of_another_form(place: Path) -> None:
    np.save(place / "a.npy", ARRAYS["a"].astype(np.float64))


def without_its_page(place: Path) -> None:
    (place / "about.json").unlink()


def with_half_a_page(place: Path) -> None:
    (place / "about.json").write_text((place / "about.json").read_text()[:20])


def with_a_list_for_a_page(place: Path) -> None:
    (place / "about.json").write_text("[]")


@pytest.mark.parametrize(
    "damage", [cut_off, of_another_form, without_its_page, with_half_a_page, with_a_list_for_a_page, shutil.rmtree]
)
def test_what_is_damaged_or_gone_is_not_found(cache: SplitCache, damage: Callable[[Path], None]) -> None:
    cache.keep(KEY, NOTED, ARRAYS)
    damage(only(cache))
    assert cache.find(KEY) is None


def test_what_is_damaged_is_kept_anew(cache: SplitCache) -> None:
    cache.keep(KEY, NOTED, ARRAYS)
    cut_off(only(cache))
    assert cache.find(KEY) is None, "and it is out of the way"
    cache.keep(KEY, NOTED, ARRAYS)
    assert cache.find(KEY) is not None
    assert len(list(cache.folder.iterdir())) == 1


def test_files_that_are_removed_stay_with_those_who_have_them(cache: SplitCache) -> None:
    cache.keep(KEY, NOTED, ARRAYS)
    found = cache.find(KEY)
    shutil.rmtree(cache.folder)
    assert found is not None
    assert found[1]["a"].tobytes() == ARRAYS["a"].tobytes()


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    cache = SplitCache(tmp_path, 3 * 25_000)
    for seed in range(3):
        cache.keep(KEY | {"seed": seed}, NOTED, ARRAYS)
    for place in tmp_path.iterdir():
        os.utime(place, (1, 1))
    assert cache.find(KEY | {"seed": 0}) is not None
    cache.keep(KEY | {"seed": 3}, NOTED, ARRAYS)
    assert cache.find(KEY | {"seed": 0}) is not None
    assert cache.find(KEY | {"seed": 3}) is not None
    kept = sum(file.stat().st_size for file in tmp_path.rglob("*.*"))
    assert kept <= cache.most_bytes


@pytest.mark.parametrize("cache", [SplitCache(Path("none"), 100), SplitCache(Path("none"), 10**6, lambda _: False)])
def test_what_is_too_large_or_has_no_room_is_not_written(cache: SplitCache, tmp_path: Path) -> None:
    bounded = SplitCache(tmp_path / "cache", cache.most_bytes, cache.has_room)
    bounded.keep(KEY, NOTED, ARRAYS)
    assert not bounded.folder.exists()


def test_a_disk_that_is_full_leaves_nothing_behind(cache: SplitCache) -> None:
    cache.folder.mkdir()
    program = f"""
import numpy, resource, signal
from pathlib import Path
from models.data.split_cache import SplitCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
SplitCache(Path({str(cache.folder)!r}), 10**6).keep({KEY!r}, {{}}, {{"a": numpy.zeros(5_000)}})
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "went on\n", done.stderr
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_is_a_file_harms_nobody(cache: SplitCache) -> None:
    cache.folder.write_text("in the way")
    cache.keep(KEY, NOTED, ARRAYS)
    assert cache.find(KEY) is None


def test_what_somebody_left_who_was_killed_is_removed_when_it_is_old(cache: SplitCache) -> None:
    for name in ("old", "young"):
        (cache.folder / f".new-{name}").mkdir(parents=True)
    os.utime(cache.folder / ".new-old", (1, 1))
    cache.keep(KEY, NOTED, ARRAYS)
    assert not (cache.folder / ".new-old").exists()
    assert (cache.folder / ".new-young").exists()


def arrays_of(split: Split) -> dict[str, Any]:
    names = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "learned")
    found = {name: getattr(split, name) for name in names}
    for name in ("validation", "test"):
        part: Examples | None = getattr(split, name)
        found |= {f"{name}.{what}": part and getattr(part, what) for what in ("values", "labels", "parts")}
    found = {name: whole(part) if name.startswith("x_") and part is not None else part for name, part in found.items()}
    return {name: None if array is None else np.asarray(array) for name, array in found.items()}


@pytest.fixture(params=[False, True])
def compiled(request: pytest.FixtureRequest) -> Iterator[bool]:
    library.use(compiled=request.param)
    yield request.param
    library.use(compiled=True)


@pytest.mark.parametrize("with_parts", [False, True])
def test_a_split_that_is_found_is_the_one_that_was_prepared(
    cache: SplitCache, tmp_path: Path, with_parts: bool, compiled: bool
) -> None:
    random = np.random.default_rng(0)
    values, labels = random.integers(0, 256, (90, 28, 28), np.uint8), np.arange(90) % 10
    parts = np.repeat(np.arange(3, dtype=np.uint8), 30) if with_parts else None
    named = {VALUES: values, LABELS: labels, **({} if parts is None else {PARTS: parts})}
    for name, array in named.items():
        np.save(tmp_path / name, array)
    places = tuple((name, tmp_path / name) for name in named)
    spec = TrainingSpec(dataset="letters/1", split_seed=3, stratify=not with_parts)

    plain = divide(
        Examples(values, labels, parts=parts),
        validation_fraction=spec.validation_fraction,
        split_seed=3,
        stratify=not with_parts,
    )
    prepare(spec, tmp_path, Stored(places), cache)
    wait_until(
        lambda: cache.folder.exists() and [*cache.folder.glob("[!.]*/about.json")], timeout=10, what="it to be kept"
    )
    other = SplitCache(cache.folder, cache.most_bytes - 1)  # which this process does not remember
    found = prepare(spec, tmp_path, Stored(places), other)
    assert isinstance(found.validation.values.base, np.memmap)
    assert found.x_train.shape == plain.x_train.shape
    for name, array in arrays_of(plain).items():
        again = arrays_of(found)[name]
        assert (array is None) == (again is None), name
        assert array is None or (array.dtype == again.dtype and array.tobytes() == again.tobytes()), name
    assert (found.mean, found.deviation, found.digest) == (plain.mean, plain.deviation, plain.digest)
    assert type(found.x_train) is type(plain.x_train)
    assert isinstance(found.x_train, Pixels) is (compiled and library.is_used())
