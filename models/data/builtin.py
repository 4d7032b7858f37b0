"""The built-in data sets, and the bytes of their files. A further one is added here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from models.data.schema import USUAL, Images


@dataclass(frozen=True)
class Source:
    """A file of a data set: its usual name, its size in bytes, and the digests by which it is known.

    `gz_md5` is that of the file as it is passed on, compressed, in torchvision's lists; `sha256` that of what is in it,
    where it could be taken from such a file.
    """

    name: str
    size: int
    gz_md5: str
    sha256: str | None = None


@dataclass(frozen=True)
class BuiltIn:
    """The source of a built-in data set: a class of torchvision and what it is asked for; without one, scikit-learn.

    `files` are its images and its labels, and `digest` is that of its examples, where it is known. `test` are those of
    its own test part, which a network is measured on once, where they are there too. `schema` tells what its classes
    are called, and how pictures are brought to its form.
    """

    torchvision: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"train": True})
    files: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()
    digest: str | None = None
    schema: Images = USUAL


_IMAGES, _LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_IMAGE_BYTES, _LABEL_BYTES = 16 + 60_000 * 28 * 28, 8 + 60_000


def _ten_thousand(
    images: str, labels: str, *, sha256: tuple[str | None, str | None] = (None, None)
) -> tuple[Source, ...]:
    """Give the files of a test part of 10,000 examples, by the MD5 of its compressed images and labels."""
    return (
        Source("t10k-images-idx3-ubyte", 16 + 10_000 * 28 * 28, images, sha256[0]),
        Source("t10k-labels-idx1-ubyte", 8 + 10_000, labels, sha256[1]),
    )


BUILTIN: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "mnist": BuiltIn(
            "MNIST",
            files=(
                Source(
                    _IMAGES,
                    _IMAGE_BYTES,
                    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                Source(
                    _LABELS,
                    _LABEL_BYTES,
                    "d53e105ee54ea40749a09fcbcd1e9432",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                ),
            ),
            test=_ten_thousand(
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
                sha256=(
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
            digest="d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c",
        ),
        "fashion_mnist": BuiltIn(
            "FashionMNIST",
            files=(
                Source(
                    _IMAGES,
                    _IMAGE_BYTES,
                    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                ),
                Source(
                    _LABELS,
                    _LABEL_BYTES,
                    "25c81989df183df01b3e8a0aad5dffbe",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                ),
            ),
            test=_ten_thousand("bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
            digest="1f243a60b4b748a44c48b9a6f6907be2a08bee3e4e226f0e86fbde8e147b745a",
            schema=Images(
                preparation="plain",
                ground="dark",
                classes=(
                    "T-shirt/top",
                    "Trouser",
                    "Pullover",
                    "Dress",
                    "Coat",
                    "Sandal",
                    "Shirt",
                    "Sneaker",
                    "Bag",
                    "Ankle boot",
                ),
            ),
        ),
        "kmnist": BuiltIn(
            "KMNIST",
            files=(
                Source(_IMAGES, _IMAGE_BYTES, "bdb82020997e1d708af4cf47b453dcf7"),
                Source(_LABELS, _LABEL_BYTES, "e144d726b3acfaa3e44228e80efcd344"),
            ),
            test=_ten_thousand("5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134"),
            schema=Images(
                preparation="plain",
                ground="dark",
                classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            ),
        ),
        "qmnist": BuiltIn(
            "QMNIST",
            {"what": "train"},
            files=(
                Source("qmnist-train-images-idx3-ubyte", _IMAGE_BYTES, "ed72d4157d28c017586c42bc6afe6370"),
                Source(
                    "qmnist-train-labels-idx2-int",
                    12 + 60_000 * 8 * 4,
                    "0058f8dd561b90ffdd0f734c6a30e5e4",
                    "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
                ),
            ),
            test=(
                Source("qmnist-test-images-idx3-ubyte", _IMAGE_BYTES, "1394631089c404de565df7b7aeaf9412"),
                Source("qmnist-test-labels-idx2-int", 12 + 60_000 * 8 * 4, "5b5b05890a5e13444e108efe57b788aa"),
            ),
        ),
        "digits": BuiltIn(),
    }
)
