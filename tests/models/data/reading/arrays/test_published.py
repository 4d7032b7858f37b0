"""Data sets of arrays as their publishers give them, each file by its name: what is read, told, or refused."""

import bz2
import gzip
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.schema import Images
from tests.models.data.reading.archives.made import tarred, told_of
from tests.models.data.reading.arrays.made import idx, npz, usps, zipped
from tests.models.data.reading.forms import digits, faults_of, found_in

IMAGES, LONG = digits()
LABELS = LONG.astype(np.uint8)
FEW = 9
LYING = IMAGES.transpose(0, 2, 1)
KANA = "おきすつなはまやれを"


def medmnist(labels: NDArray[np.uint8], side: int = 28, *colours: int) -> bytes:
    """Give the file of one of MedMNIST's sets: labels stand in columns, whatever the task."""
    images = np.random.default_rng(side).integers(0, 256, (24, side, side, *colours)).astype(np.uint8)
    its = {
        f"{part}_{what}": values[some]
        for part, some in (("train", slice(12)), ("val", slice(12, 16)), ("test", slice(16, 24)))
        for what, values in (("images", images), ("labels", labels))
    }
    return npz(**its)


ONE_OF_THREE = (np.arange(24) % 3).astype(np.uint8)[:, None]


@pytest.mark.parametrize("side", [28, 64, 128])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_medmnist_is_read_in_every_size(side: int, colours: tuple[int, ...]) -> None:
    alone = medmnist(ONE_OF_THREE, side, *colours)
    found, examples = found_in(alone)
    assert isinstance(found.schema, Images)
    assert found.schema.shape == (side, side, *colours)
    assert found.schema.classes == ("0", "1", "2")
    assert examples.values.dtype == np.uint8
    assert examples.labels.tolist() == ONE_OF_THREE[:, 0].tolist()
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [12, 4, 8]
    if side == 28:
        for packed in (zipped({"pathmnist.npz": alone}), tarred({"pathmnist.npz": alone})):
            assert found_in(packed)[0].sha256 == found.sha256


@pytest.mark.parametrize("pack", [lambda data: data, lambda data: zipped({"chestmnist.npz": data})])
def test_chestmnist_is_refused_as_it_has_several_classes_at_once(pack: Callable[[bytes], bytes]) -> None:
    findings = np.zeros((24, 14), np.uint8)
    findings[1, [2, 5]] = 1
    (fault,) = faults_of(pack(medmnist(findings)))
    assert "row 1 of member train_labels.npy" in fault
    assert "none of its 14 labels are 1: several classes at once (multi-label), which Tenfold does not do" in fault
    assert "as one of these columns: train_labels[:, 0]" in fault


def kuzushiji(name: str) -> dict[str, bytes]:
    return {
        f"{name}-{part}-{what}.npz": npz(arr_0=values[some])
        for part, some in (("train", slice(None)), ("test", slice(FEW)))
        for what, values in (("imgs", IMAGES), ("labels", LABELS))
    }


def classmap() -> bytes:
    rows = [f"{place},U+{ord(kana):04X},{kana}" for place, kana in enumerate(KANA)]
    return "\r\n".join(["index,codepoint,char", *rows, ""]).encode()


def emnist(
    name: str, codes: list[int], labels: NDArray[np.uint8] = LABELS, first: int = 0, folder: str = "gzip/"
) -> dict[str, bytes]:
    """Give the five files of one of EMNIST's six sets."""
    start = f"{folder}emnist-{name}-"
    mapping = [f"{place} {code}" + f" {code + 32}" * (name == "letters") for place, code in enumerate(codes, first)]
    its = {
        f"{start}{part}-{what}.gz": gzip.compress(idx(values[some]))
        for part, some in (("test", slice(FEW)), ("train", slice(None)))
        for what, values in (("images-idx3-ubyte", LYING), ("labels-idx1-ubyte", labels))
    }
    return {f"{start}mapping.txt": "\n".join([*mapping, ""]).encode(), **its}


DIGITS = [*range(48, 58)]
CAPITALS = [*range(65, 91)]
SMALL = [*range(97, 123)]
BALANCED = [*DIGITS, *CAPITALS, *map(ord, "abdefghnqrt")]
RAW = {
    "train-images-idx3-ubyte": idx(IMAGES), "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(IMAGES[:FEW]), "t10k-labels-idx1-ubyte": idx(LABELS[:FEW]),
}  # fmt: skip
HANDS = np.c_[LONG, np.ones((len(LONG), 7))].astype(np.int32)
TEN = tuple("0123456789")

# Of each its members, options, classes, and a sentence that it is told with.
PUBLISHED: dict[str, tuple[Mapping[str, bytes], dict[str, object], tuple[str, ...], str]] = {
    "kuzushiji-49": (kuzushiji("k49"), {}, TEN, "k49-train-imgs, k49-test-imgs"),
    "kuzushiji-49, names": (kuzushiji("k49") | {"k49_classmap.csv": classmap()}, {}, tuple(KANA), "k49_classmap.csv"),
    "kuzushiji": (kuzushiji("kmnist") | {"kmnist_classmap.csv": classmap()}, {}, tuple(KANA), "which characters"),
    "keras": (
        {"mnist.npz": npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:FEW], y_test=LABELS[:FEW])}, {}, TEN, "x_train"
    ),
    "emnist, letters": (
        emnist("letters", CAPITALS, LABELS + np.uint8(1), 1), {"transpose": True}, tuple("ABCDEFGHIJ"), "1 for A and a"
    ),
    "emnist, balanced": (
        emnist("balanced", BALANCED, LABELS + np.uint8(37)), {"transpose": True}, tuple("bdefghnqrt"), "mapping.txt"
    ),
    "emnist, byclass": (
        emnist("byclass", [*DIGITS, *CAPITALS, *SMALL], LABELS + np.uint8(52)), {"transpose": True},
        tuple("qrstuvwxyz"), "mapping.txt says",
    ),
    "emnist, digits": (emnist("digits", DIGITS, folder=""), {"transpose": True}, TEN, "mapping.txt says"),
    "qmnist": (
        {f"qmnist-{part}-{what}.gz": gzip.compress(idx(values[some]))
         for part, some in (("train", slice(None)), ("test", slice(FEW)))
         for what, values in (("images-idx3-ubyte", IMAGES), ("labels-idx2-int", HANDS))}, {}, TEN,
        "the others, of who wrote it and where it is found, are left out",
    ),
    "mnist, as PyTorch leaves it": (
        {f"MNIST/raw/{name}{end}": gzip.compress(data) if end else data
         for name, data in RAW.items() for end in ("", ".gz")}, {}, TEN, "train-images-idx3-ubyte",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_in_several_files_is_read_from_one_archive(name: str) -> None:
    members, options, classes, sentence = PUBLISHED[name]
    found, examples = found_in(zipped(members), **options)
    assert found.schema.classes == classes
    assert (examples.values == np.concatenate([IMAGES, IMAGES[:FEW]])).all()
    assert (examples.labels == np.concatenate([LONG, LONG[:FEW]])).all()
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [len(IMAGES), 0, FEW]
    assert sentence in told_of(found)
    # A TAR holds the same; and the parts of one form are kept as a ZIP of them, without their folders.
    assert found_in(tarred(members), **options)[0].sha256 == found.sha256
    if "PyTorch" not in name:
        form = {member.rpartition("/")[2]: data for member, data in members.items()}
        assert found_in(zipped(form), **options)[0].sha256 == found.sha256


def test_files_that_are_another_one_compressed_are_told_and_others_of_one_name_refused() -> None:
    files = {**RAW, "train-labels-idx1-ubyte.gz": gzip.compress(RAW["train-labels-idx1-ubyte"])}
    found, _ = found_in(zipped(files))
    assert {"column": "train-labels-idx1-ubyte.gz", "why": "it is train-labels-idx1-ubyte, compressed"} in (
        found.reading["left_out"]
    )
    files["train-labels-idx1-ubyte.gz"] = gzip.compress(RAW["t10k-labels-idx1-ubyte"])
    assert faults_of(zipped(files)) == [
        "member train-labels-idx1-ubyte.gz: it and train-labels-idx1-ubyte are called alike, and hold other data; "
        "leave one of them out"
    ]


def test_all_of_emnist_at_once_is_refused_and_one_of_its_sets_is_read_by_what_is_said() -> None:
    sets = {"balanced": BALANCED, "digits": DIGITS, "mnist": DIGITS}
    members = {name: data for its in sets for name, data in emnist(its, sets[its]).items()}
    (fault,) = faults_of(zipped(members))
    assert fault == (
        "file: it holds 3 data sets: emnist-balanced, emnist-digits, emnist-mnist; send one of them alone: what has "
        "emnist-balanced in its name, in one ZIP or NPZ, or as parts of one form"
    )
    one = {name: data for name, data in members.items() if "emnist-balanced" in name}
    assert found_in(zipped(one))[0].schema.classes == TEN


def test_letters_that_lie_on_their_side_are_warned_of() -> None:
    found, _ = found_in(zipped(PUBLISHED["emnist, letters"][0]))
    assert "order of pixels" in {warning["kind"] for warning in found.reading["warnings"]}


USPS = {"usps": usps(0, 60), "usps.t": usps(60, 30)}


@pytest.mark.parametrize("pack", [
    lambda: zipped(USPS), lambda: tarred(USPS),
    lambda: zipped({f"{name}.gz": gzip.compress(data) for name, data in USPS.items()}),
])  # fmt: skip
def test_usps_is_read_with_its_test_part(pack: Callable[[], bytes]) -> None:
    found, examples = found_in(pack())
    assert isinstance(found.schema, Images)
    assert (found.schema.shape, found.schema.scale) == ((16, 16), (-1, 1))
    assert found.schema.classes == tuple(map(str, range(1, 11)))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [60, 0, 30]
    assert (examples.values[:60] == found_in(gzip.compress(USPS["usps"]))[1].values).all()


def test_usps_as_it_is_published_is_to_be_unpacked() -> None:
    remedy = "compressed with bzip2; unpack it, or compress it with gzip"
    packed = {f"{name}.bz2": bz2.compress(data) for name, data in USPS.items()}
    assert remedy in faults_of(packed["usps.bz2"])[0]
    assert faults_of(zipped(packed))[0] == f"member usps.bz2: the file is a file {remedy}"
