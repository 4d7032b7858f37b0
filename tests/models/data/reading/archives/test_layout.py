"""What folders mean: classes, parts, and folders around all of them; and those of which nobody can tell."""

import pytest

from models.data.reading.archives import layout
from models.data.reading.archives.layout import Layout
from models.data.reading.found import UnreadableError

TRAIN, VALIDATION, TEST = range(3)


def laid(*folders: str, count: int = 10) -> Layout:
    """Give what folders mean that hold so many pictures each, or as many as stands behind a colon."""
    named = [folder.partition(":") for folder in folders]
    return layout.find({name: int(own) if own else count for name, _, own in named})


def refused(*folders: str) -> str:
    with pytest.raises(UnreadableError) as caught:
        laid(*folders)
    (fault,) = caught.value.faults
    return f"{fault.where}: {fault.detail}; {fault.remedy}"


CLASSES: dict[str, tuple[list[str], dict[str, str]]] = {
    "straight": (["cat", "dog"], {"cat": "cat", "dog": "dog"}),
    "one folder around": (["pets/cat", "pets/dog"], {"pets/cat": "cat", "pets/dog": "dog"}),
    "several around": (["My x/a b/cat", "My x/a b/dog"], {"My x/a b/cat": "cat", "My x/a b/dog": "dog"}),
    "train alone": (["train/cat", "train/dog"], {"train/cat": "cat", "train/dog": "dog"}),
    "train is a class": (["bus", "car", "train"], {"bus": "bus", "car": "car", "train": "train"}),
    "one folder in each": (["cat/images", "dog/images"], {"cat/images": "cat", "dog/images": "dog"}),
    "the same in each": (
        ["cat/2021", "cat/2022", "dog/2021", "dog/2022"],
        {"cat/2021": "cat", "cat/2022": "cat", "dog/2021": "dog", "dog/2022": "dog"},
    ),
    "some deeper": (["cat", "cat/a", "cat/b", "dog"], {"cat": "cat", "cat/a": "cat", "cat/b": "cat", "dog": "dog"}),
    "digits": (["0", "1", "10"], {"0": "0", "1": "1", "10": "10"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_folders_are_classes(name: str) -> None:
    folders, classes = CLASSES[name]
    found = laid(*folders)
    assert found.places == {folder: (label, None) for folder, label in classes.items()}
    assert not found.left_out
    assert found.split is None


PARTS: dict[str, tuple[list[str], dict[str, tuple[str, int]]]] = {
    "above": (
        ["train/cat", "train/dog", "test/cat", "test/dog"],
        {"train/cat": ("cat", 0), "train/dog": ("dog", 0), "test/cat": ("cat", 2), "test/dog": ("dog", 2)},
    ),
    "in any case, around them a folder": (
        ["x/Training/a", "x/Training/b", "x/VALID/a", "x/Testing/b"],
        {"x/Training/a": ("a", 0), "x/Training/b": ("b", 0), "x/VALID/a": ("a", 1), "x/Testing/b": ("b", 2)},
    ),
    "named at length, and twice": (
        ["training_set/training_set/a", "training_set/training_set/b", "test_set/test_set/a", "test_set/test_set/b"],
        {
            "training_set/training_set/a": ("a", 0), "training_set/training_set/b": ("b", 0),
            "test_set/test_set/a": ("a", 2), "test_set/test_set/b": ("b", 2),
        },
    ),
    "named otherwise each": (
        ["train/a", "train/b", "validImages/a", "validImages/b"],
        {"train/a": ("a", 0), "train/b": ("b", 0), "validImages/a": ("a", 1), "validImages/b": ("b", 1)},
    ),
    "below": (
        ["cat/train", "cat/test", "dog/train", "dog/test"],
        {"cat/train": ("cat", 0), "cat/test": ("cat", 2), "dog/train": ("dog", 0), "dog/test": ("dog", 2)},
    ),
    "images in each class": (
        ["train/a/images", "train/b/images", "val/a/images", "val/b/images"],
        {
            "train/a/images": ("a", 0), "train/b/images": ("b", 0),
            "val/a/images": ("a", 1), "val/b/images": ("b", 1),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_folders_of_parts_are_a_split(name: str) -> None:
    folders, places = PARTS[name]
    found = laid(*folders)
    assert found.places == places
    assert found.split
    assert not found.left_out


@pytest.mark.parametrize("test", ["test", "test1", "test/test", "test/unknown", "val/images", "validation"])
def test_a_part_without_classes_is_left_out(test: str) -> None:
    found = laid("train/cat", "train/dog", test)
    assert {part for _, part in found.places.values()} == {TRAIN}
    assert found.left_out == {test: f"have no class, in {test.partition('/')[0]}"}


def test_single_pictures_beside_folders_are_left_out() -> None:
    assert laid("cat", "dog", ":3").left_out == {"": "lie beside the folders of classes"}
    assert laid("x/cat", "x/dog", "x:3").left_out == {"x": "lie beside the folders of classes"}
    assert laid("x/cat", "x/dog", ":3").left_out == {"": "lie beside the folder in which all others are"}
    assert laid("train/a", "train/b", "train:1", "test/a", "test/b").left_out == {
        "train": "lie beside the folders of classes"
    }
    assert laid("train/a", "train/b", "test/a", "samples:2").left_out == {"samples": "lie beside the folders of parts"}


def test_what_is_guessed_is_told() -> None:
    assert laid("My pets/cat", "My pets/dog").notes == ["all classes lie in the folder My pets"]
    assert "cat/old" in laid("cat", "cat/old", "dog").doubts[0]
    assert laid("train/a", "train/b", "test/a", "test/c").doubts == [
        "classes of the folder test that none of those to learn from is of: c"
    ]


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        ([""], "file: 10 pictures lie in one folder, and nothing says of which class each is; put the pictures of each "
         "class into one folder of its name, as cat/1.png and dog/2.png, of at least two; or add a list of them"),
        (["train"], "folder train: 10 pictures lie in one folder"),
        (["all/of/them"], "folder all/of/them: 10 pictures lie in one folder"),
        (["train", "test"], "pictures lie in one folder"),
        (["images/train", "images/val"], "pictures lie in one folder"),
        (["cat", ":30"], "file: 30 pictures lie in one folder"),
        (["a/b", ":30"], "file: 30 pictures lie in one folder"),
        (["a", "b", ":30"], "file: 30 pictures lie in one folder"),
        (["cat/persian", "cat/siamese", "dog/poodle", "dog/beagle"],
         "folder cat: whether it is a class, or each of those in it, as persian and siamese, cannot be told"),
        (["animals/cat", "animals/dog", "misc"], "folder animals: whether it is a class"),
        (["cat/train", "cat/test", "dog"], "folder dog: it says no part, as cat/train does"),
        (["train/intercity", "train/tram", "bus", "car"], "folder train: whether it is a class, or holds"),
        (["train/a", "train/b", "test/a", "other/a"], "folder other/a: it lies beside folders of parts, and is none"),
        (["train/a", "train/b", "test/c", "test/d"], "folder test: none of its folders, as c, d, is one"),
        (["images", "masks"], "folders: images, masks are no names of classes; pictures beside masks"),
    ],
)  # fmt: skip
def test_folders_of_which_nobody_can_tell_are_refused(folders: list[str], sentence: str) -> None:
    assert sentence in refused(*folders)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", (0, ())),
        ("seg_train", (0, ("seg",))),
        ("TestSet", (2, ("set",))),
        ("VAL", (1, ())),
        ("test1", (2, ())),
        ("train_test", None),
        ("trained", None),
        ("cats", None),
    ],
)
def test_a_part_is_known_by_a_word_of_a_name(name: str, part: tuple[int, tuple[str, ...]] | None) -> None:
    assert layout.part_of(name) == part
