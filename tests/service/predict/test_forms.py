"""POST /predict of models of other forms than MNIST's: tables by the names of columns, and pictures of any size."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from PIL import Image

from models import inference, novelty
from models.data.plan import Plan
from models.data.schema import Images, Table
from models.saliency import gradient
from service.artifacts import Artifacts
from service.predict.batcher import LARGEST, largest_of
from service.predict.schemas import MAX_IMAGES, MOST_EXPLAINED
from service.store.store import Store
from tests.answers import pointers, problem
from tests.forms import (
    FACES,
    GARMENTS,
    LETTERS,
    SCALED,
    STRICT,
    TITANIC,
    TITANIC_PLAN,
    WINE,
    WINE_PLAN,
    stored,
    weights_of,
)
from tests.pixels import JSON, RAW
from tests.records import succeeded
from tests.service.conftest import MadeOnce

FORMS: dict[str, tuple[Images | Table, Plan | None]] = {
    "letters": (LETTERS, None),
    "garments": (GARMENTS, None),
    "faces": (FACES, None),
    "scaled": (SCALED, None),
    "wine": (WINE, WINE_PLAN),
    "titanic": (TITANIC, TITANIC_PLAN),
    "strict": (STRICT, TITANIC_PLAN),
}
FILES = {name: weights_of(*form) for name, form in FORMS.items()}
NETWORKS = {name: inference.read(file) for name, file in FILES.items()}


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(request: pytest.FixtureRequest, made_once: MadeOnce) -> str:
    """A model of the form that a test names, with its weights file and what is usual of its data."""
    name: str = request.param

    def assessed(store: Store, artifacts: Artifacts) -> str:
        network = NETWORKS[name]
        usual = novelty.fit(stored(network.schema, 50), np.zeros(50), network.schema, network.plan)
        more = {"novelty.safetensors": novelty.pack(usual)}
        return succeeded(store, artifacts, model=name, file=FILES[name], more_files=more)

    made_once(name, assessed)
    return name


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", names, indirect=True)


def assert_are_those_of(name: str, values: Any, predictions: list[dict[str, Any]]) -> None:
    network = NETWORKS[name]
    expected = network.probabilities(inference.taken_in(values, network.plan))
    np.testing.assert_allclose([found["probabilities"] for found in predictions], expected, rtol=0, atol=1e-6)
    best = [network.classes[place] for place in expected.argmax(axis=1)]
    assert [found["label"] for found in predictions] == best
    assert not any("digit" in found for found in predictions)


def wine(count: int, seed: int = 0) -> tuple[list[dict[str, float]], Any]:
    values = stored(WINE, count, seed)
    names = [column.name for column in WINE.columns]
    return [dict(zip(names, row, strict=True)) for row in values.tolist()], values


PASSENGER = {"Pclass": "1", "Sex": "female", "Age": 38.0, "alone": "no"}
AS_STORED = [[0.0, 0.0, 38.0, 0.0]]


@of("wine")
def test_rows_may_be_sent_in_every_way(api: TestClient, model: str) -> None:
    rows, values = wine(5)
    answer = api.post("/predict", json={"row": rows[0]})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"label", "probabilities", "model"}
    assert answer.json()["model"]["classes"] == ["Barolo", "Grignolino", "Barbera"]
    assert_are_those_of(model, values[:1], [answer.json()])
    backwards = [dict(reversed(row.items())) for row in rows]
    as_texts = [{name: f" {value!r}" for name, value in row.items()} for row in rows]
    for sent in (rows, backwards, as_texts):
        answer = api.post("/predict", json={"rows": sent, "model": "wine/1"})
        assert answer.status_code == 200, answer.text
        assert_are_those_of(model, values, answer.json()["predictions"])
        assert not any("notes" in found for found in answer.json()["predictions"])


@of("wine")
def test_ten_thousand_rows_may_be_sent_and_no_more(api: TestClient, model: str) -> None:
    rows, values = wine(MAX_IMAGES)
    assert len(json.dumps({"rows": rows})) > 2**20
    answer = api.post("/predict", json={"rows": rows, "model": "wine"})
    assert_are_those_of(model, values, answer.json()["predictions"])
    assert pointers(api.post("/predict", json={"rows": [*rows, rows[0]]})) == {"/rows"}
    lines = api.post("/predict", json={"rows": rows[: LARGEST + 2]}, headers={"Accept": "application/x-ndjson"})
    assert_are_those_of(model, values[: LARGEST + 2], [json.loads(line) for line in lines.text.splitlines()])


WRITTEN: list[tuple[dict[str, Any], list[float]]] = [
    ({"Pclass": 1}, [0, 0, 38, 0]),
    ({"Pclass": 3.0, "Sex": "male"}, [2, 1, 38, 0]),
    ({"Pclass": "2.0"}, [1, 0, 38, 0]),
    ({"alone": True}, [0, 0, 38, 1]),
    ({"alone": "YES"}, [0, 0, 38, 1]),
    ({"alone": 1}, [0, 0, 38, 1]),
    ({"alone": "true"}, [0, 0, 38, 1]),
    ({"alone": 0}, [0, 0, 38, 0]),
    ({"Age": "38", "Sex": " female "}, [0, 0, 38, 0]),
    ({"Age": 4e1}, [0, 0, 40, 0]),
]


@of("titanic")
def test_a_value_is_taken_however_clients_write_it(api: TestClient, model: str) -> None:
    for changes, values in WRITTEN:
        answer = api.post("/predict", json={"row": PASSENGER | changes})
        assert answer.status_code == 200, answer.text
        assert "notes" not in answer.json()
        assert_are_those_of(model, np.array([values], np.float64), [answer.json()])


@of("titanic")
def test_what_is_missing_unknown_or_ignored_is_noted(api: TestClient, model: str) -> None:
    sent = {"PassengerId": 7, "Survived": "1", "Pclass": "9", "Age": None, "alone": "?"}
    answer = api.post("/predict", json={"row": sent}).json()
    assert answer["notes"] == [
        {"column": "PassengerId", "kind": "ignored", "sent": 7, "used": None},
        {"column": "Survived", "kind": "ignored", "sent": "1", "used": None},
        {"column": "Pclass", "kind": "unknown_level", "sent": "9", "used": None},
        {"column": "Sex", "kind": "missing", "sent": None, "used": "male"},
        {"column": "Age", "kind": "missing", "sent": None, "used": 28.0},
        {"column": "alone", "kind": "missing", "sent": "?", "used": "no"},
    ]
    assert_are_those_of(model, np.array([[-1, np.nan, np.nan, np.nan]]), [answer])
    several = api.post("/predict?named=true&details=true", json={"rows": [PASSENGER, sent, PASSENGER]}).json()
    assert ["notes" in found for found in several["predictions"]] == [False, True, False]
    assert {"entropy", "novelty"} <= several["predictions"][1].keys()
    assert several["predictions"][1]["novelty"] is not None
    many = api.post("/predict", json={"rows": [PASSENGER] * 700 + [PASSENGER | {"Name": "x" * 3000}]}).json()
    assert [place for place, found in enumerate(many["predictions"]) if "notes" in found] == [700]
    assert len(many["predictions"][700]["notes"][0]["sent"]) == 100


@of("titanic")
def test_words_mean_what_they_mean_in_a_file(api: TestClient, model: str) -> None:
    for sent, missing in (({"Age": "."}, "Age"), ({"Age": "#N/A"}, "Age"), ({"Sex": "#n/a"}, "Sex")):
        (note,) = api.post("/predict", json={"row": PASSENGER | sent}).json()["notes"]
        assert (note["column"], note["kind"]) == (missing, "missing"), sent
    (note,) = api.post("/predict", json={"row": PASSENGER | {"alone": "perhaps"}}).json()["notes"]
    assert note == {"column": "alone", "kind": "unknown_level", "sent": "perhaps", "used": "no"}


@of("wine")
def test_a_column_that_is_given_twice_is_refused_however_long_the_body_is(api: TestClient, model: str) -> None:
    rows, _ = wine(1)
    row = json.dumps(rows[0])
    twice = f'{row[:-1]}, "alcohol": 99}}' if "alcohol" in rows[0] else f"{row[:-1]}, {row[1:-1].split(',')[0]}}}"
    spaced = f"{row[:-1]}, {row[1:-1].split(':')[0]} : 99}}"
    for count, wrong in ((1, twice), (9000, twice), (9000, spaced)):
        body = f'{{"rows": [{", ".join([row] * count)}, {wrong}]}}'
        refused = api.post("/predict", content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code == 422, refused.text[:300]
        assert "given 2 times" in refused.json()["detail"]
        assert f"/rows/{count}/" in str(refused.json()["errors"])


REFUSED: list[tuple[Any, str, str]] = [
    ({"row": PASSENGER | {"Aeg": 3}}, "/row/Aeg", "model titanic/1 has no column Aeg; did you mean Age?"),
    (
        {"row": PASSENGER | {"zzz": 3}},
        "/row/zzz",
        "has no column zzz; there are Pclass, Sex, Age, alone",
    ),
    ({"row": PASSENGER | {"Age": "abc"}}, "/row/Age", "Age: 'abc' is no number; send a number"),
    (
        {"row": PASSENGER | {"Age": 1e300}},
        "/row/Age",
        "too far from all that was learned from for anything to be computed",
    ),
    ({"rows": [PASSENGER, PASSENGER | {"Age": "-1e300"}]}, "/rows/1/Age", "send a number between "),
    ({"row": PASSENGER | {"Age": "1_0"}}, "/row/Age", "'1_0' is no number"),
    ({"row": PASSENGER | {"Age": "3,5"}}, "/row/Age", "write decimals with a point"),
    ({"row": PASSENGER | {"Age": "Infinity"}}, "/row/Age", "this number is not finite"),
    ({"row": PASSENGER | {"Age": True}}, "/row/Age", "this is true or false, and no number"),
    ({"row": PASSENGER | {"Age": [3]}}, "/row/Age", "this is no single value; send a number"),
    ({"row": PASSENGER | {"Sex": {"a": 1}}}, "/row/Sex", "this is no single value; send one of female, male"),
    ({"rows": [PASSENGER, PASSENGER | {"Age": "abc"}]}, "/rows/1/Age", "'abc' is no number"),
    ({"rows": [PASSENGER] * 20_000}, "/rows", "1 to 10,000"),
    ({"rows": []}, "/rows", "a list of 1 to 10,000 rows at once; there are 0"),
    ({"rows": 3}, "/rows", "this is none"),
    ({"row": {}}, "/row", "none of the columns of model titanic/1; it takes {"),
    ({"row": {"Survived": 1}}, "/row", "none of the columns of model titanic/1"),
    ({"row": [1, 2]}, "/row", "this is no row of a table; model titanic/1 takes {"),
    (
        {"image": [[0]]},
        "/image",
        'takes a row: {"Pclass": "3", "Sex": "male", "Age": 28.0, "alone": "no"}',
    ),
    ({"images_base64": "AAAA"}, "/images_base64", "model titanic/1 takes a row"),
    ({"row": PASSENGER, "rows": [PASSENGER]}, "/image", "give one of"),
    ({"row": PASSENGER, "modle": "x"}, "/modle", "no field of this name"),
]


@of("titanic")
def test_a_row_that_cannot_be_taken_is_refused_by_its_place_with_the_remedy(api: TestClient, model: str) -> None:
    for body, pointer, why in REFUSED:
        answer = problem(api.post("/predict", json=body), 422)
        assert [error["pointer"] for error in answer["errors"]] == [pointer], body
        assert why in answer["errors"][0]["detail"], answer
    for kind in ("application/octet-stream", "image/png"):
        answer = problem(api.post("/predict", content=b"\0\xff" * 392, headers={"Content-Type": kind}), 422)
        assert "model titanic/1 takes a row" in answer["detail"]
    assert "takes a row" in problem(api.post("/predict", files=[("files", ("a.png", b"x"))]), 422)["detail"]


@of("titanic")
def test_a_column_that_is_given_twice_is_refused(api: TestClient, model: str) -> None:
    body = '{"row": {"Pclass": 1, "Sex": "male", "Age": 3, "Age": 30, "alone": "no"}}'
    assert pointers(api.post("/predict", content=body, headers=JSON)) == {"/row/Age"}
    colon = api.post("/predict", json={"row": PASSENGER | {"Name": "a: b"}})
    assert [note["column"] for note in colon.json()["notes"]] == ["Name"]


@of("strict")
def test_who_asked_for_it_has_rows_refused_that_lack_something_or_hold_a_level_that_nobody_knows(
    api: TestClient, model: str
) -> None:
    sent = {"Pclass": "1", "Sex": "femal", "alone": "maybe", "Name": "x"}
    found = problem(api.post("/predict", json={"row": sent}), 422)["errors"]
    assert [error["pointer"] for error in found] == ["/row/Sex", "/row/Age", "/row/alone"]
    assert found[0]["detail"] == "'femal' is no level of Sex that model strict/1 knows; did you mean female?"
    assert found[1]["detail"] == "Age is missing, and model strict/1 takes no row without it; send a number"
    assert found[2]["detail"].endswith("send true, false, or one of no, yes")
    answer = api.post("/predict", json={"row": PASSENGER | {"Name": "x"}}).json()
    assert [note["kind"] for note in answer["notes"]] == ["ignored"]


@of("letters", "garments", "faces", "scaled")
def test_pictures_of_any_form_may_be_sent_in_every_way(api: TestClient, model: str) -> None:
    network = NETWORKS[model]
    values = inference.as_sent(stored(network.schema, 3), network.schema)
    lists = json.loads(json.dumps(values.tolist()))
    one = api.post("/predict", json={"image": lists[0]})
    assert one.status_code == 200, one.text
    assert one.json()["model"]["classes"] == list(network.classes)
    assert_are_those_of(model, values[:1], [one.json()])
    several = api.post("/predict", json={"images": lists, "model": model})
    assert_are_those_of(model, values, several.json()["predictions"])
    times = 70_000 // len(json.dumps(lists)) + 1
    long = api.post("/predict", json={"images": lists * times})
    assert_are_those_of(model, np.concatenate([values] * times), long.json()["predictions"])
    text = base64.b64encode(values.astype(np.uint8).tobytes()).decode()
    if values.dtype == np.uint8:
        for answer in (
            api.post("/predict", json={"images_base64": text}),
            api.post("/predict", content=values.tobytes(), headers=RAW),
        ):
            assert_are_those_of(model, values, answer.json()["predictions"])
    else:
        answer = api.post("/predict", json={"images_base64": text})
        assert "which single bytes cannot say" in problem(answer, 422)["detail"]
        assert "send image or images" in problem(api.post("/predict", content=b"abc", headers=RAW), 422)["detail"]


def png(pixels: Any, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "PNG")
    return file.getvalue()


PNG = {"Content-Type": "image/png"}


@of("garments")
def test_a_png_of_the_size_is_taken_as_it_is_and_never_framed_as_a_digit(api: TestClient, model: str) -> None:
    dark_on_light = 255 - stored(GARMENTS, 1)[0] // 4
    found = api.post("/predict", content=png(dark_on_light), headers=PNG)
    assert_are_those_of(model, dark_on_light[None], [found.json()])
    large = np.kron(dark_on_light, np.ones((4, 4), np.uint8))
    found = api.post("/predict", content=png(large), headers=PNG)
    assert_are_those_of(model, dark_on_light[None], [found.json()])
    colour = np.stack([dark_on_light] * 3, axis=2)
    several = api.post("/predict", files=[("files", ("a.png", png(colour))), ("files", ("b.png", b"none"))])
    assert_are_those_of(model, dark_on_light[None], several.json()["predictions"][:1])
    assert "none of PNG, JPEG" in several.json()["predictions"][1]["error"]


@of("faces", "letters")
def test_a_png_is_brought_to_size_colour_and_scale(api: TestClient, model: str) -> None:
    schema = FACES if model == "faces" else LETTERS
    levels = np.random.default_rng(0).integers(0, 256, (schema.height, schema.width, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(levels).convert("L"))
    low, high = schema.scale
    wanted = (low + (levels if schema.channels == 3 else grey) * ((high - low) / 255)).astype(np.float32)
    found = api.post("/predict", content=png(np.kron(levels, np.ones((3, 3, 1), np.uint8))), headers=PNG)
    assert_are_those_of(model, wanted[None], [found.json()])
    blank = api.post("/predict", content=png(np.zeros((5, 5), np.uint8)), headers=PNG)
    assert blank.status_code == 200, blank.text


WRONG_IMAGES: list[tuple[Any, str, str]] = [
    (
        {"image": [[0, 255] * 14] * 28},
        "/image",
        "28 x 28 numbers, model letters/1 takes 8 x 8 numbers from 0 to 16",
    ),
    ({"image": [0] * 64}, "/image", "this has 64 numbers, model letters/1 takes 8 x 8"),
    ({"image": [[[0] * 3] * 8] * 8}, "/image", "this has 8 x 8 x 3 numbers, model letters/1 takes 8 x 8"),
    ({"image": [[0] * 8] * 7 + [[0] * 9]}, "/image/7", "this has 9, and a list of 8 is needed"),
    ({"image": [[0] * 8] * 7 + [[0] * 7 + ["1"]]}, "/image/7/7", "send 8 rows of 8 numbers from 0 to 16"),
    (
        {"images": [[[0] * 8] * 8, [[17] * 8] * 8]},
        "/images/1/0/0",
        "17 is outside of the scale of model letters/1",
    ),
    ({"image": [[16.5] * 8] * 8}, "/image/0/0", "16.5 is outside of the scale"),
    ({"image": [[-1] * 8] * 8}, "/image/0/0", "-1 is outside of the scale"),
    ({"image": [[0.5] * 8] * 8}, "/image", "all numbers are from 0 to 1, and model letters/1 takes them from 0 to 16"),
    ({"images": [[[0] * 8] * 8] * 1200 + [[[99] * 8] * 8]}, "/images/1200/0/0", "99 is outside of the scale"),
    ({"images": [[[0] * 8] * 8] * 1200 + [[[0] * 9] * 9]}, "/images/1200", "this has 81 numbers"),
    ({"images": [[[0] * 8] * 8] * 1200 + ["x"]}, "/images/1200", "this is no list of rows of numbers"),
    ({"row": {"a": 1}}, "/row", "model letters/1 takes images of 8 x 8 numbers from 0 to 16, and no row"),
    ({"rows": [{"a": 1}]}, "/rows", "and no rows; send image or images"),
    ({"images_base64": base64.b64encode(bytes(65)).decode()}, "/images_base64", "send 64 for each"),
]


@of("letters")
def test_an_image_of_another_form_is_refused_by_its_place_with_the_remedy(api: TestClient, model: str) -> None:
    for body, pointer, why in WRONG_IMAGES:
        answer = problem(api.post("/predict", json=body), 422)
        assert [error["pointer"] for error in answer["errors"]] == [pointer], body
        assert why in answer["errors"][0]["detail"], answer
    raw = problem(api.post("/predict", content=bytes([17] * 64), headers=RAW), 422)
    assert "model letters/1 takes bytes from 0 to 16; there are others" in raw["detail"]


def test_pixels_that_were_divided_by_255_are_refused_with_the_remedy(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts)
    pixels = np.random.default_rng(0).random((28, 28))
    for body in ({"image": pixels.tolist()}, {"images": [(np.eye(28) * 255).tolist(), pixels.tolist()]}):
        answer = problem(api.post("/predict", json=body), 422)
        assert answer["errors"][0]["pointer"] in ("/image", "/images/1")
        assert "all numbers are from 0 to 1" in answer["detail"]
        assert "multiply them by 255" in answer["detail"]
        assert "say scale=unit" in answer["detail"]
    wanted = api.post("/predict", json={"image": (pixels * 255).tolist()}).json()["probabilities"]
    body = {"image": pixels.tolist()}
    for found in (
        api.post("/predict?scale=unit", json=body),
        api.post("/predict", json=body | {"scale": "unit"}),
        api.post(
            "/predict", content=json.dumps(body | {"scale": "unit"}), headers={"Content-Type": "application/json"}
        ),
    ):
        assert found.json()["probabilities"] == pytest.approx(wanted, abs=1e-5)
    several = api.post("/predict?scale=unit", json={"images": [pixels.tolist()] * 2}).json()["predictions"]
    assert several[1]["probabilities"] == pytest.approx(wanted, abs=1e-5)
    for content, kind in ((b"\0\xff" * 392, "application/octet-stream"), (png(stored(GARMENTS, 1)[0]), "image/png")):
        answer = problem(api.post("/predict?scale=unit", content=content, headers={"Content-Type": kind}), 422)
        assert answer["errors"][0]["pointer"] == "/scale"
    assert problem(api.post("/predict?scale=uint", json=body), 422)["errors"]


def test_a_blank_picture_is_refused_in_every_form(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    for level in (0, 7, 255):
        blank = np.full((28, 28), level, np.uint8)
        for answer in (
            api.post("/predict", json={"image": blank.tolist()}),
            api.post("/predict", json={"image": (blank + 0.5 * (level == 7)).tolist()}),
            api.post("/predict", json={"images": [(np.eye(28) * 255).tolist(), blank.tolist()]}),
            api.post("/predict", json={"images_base64": base64.b64encode(blank.tobytes() * 2).decode()}),
            api.post("/predict", content=blank.tobytes(), headers=RAW),
            api.post("/predict", content=png(blank), headers=PNG),
            api.post("/predict", content=png(np.kron(blank, np.ones((9, 9), np.uint8))), headers=PNG),
        ):
            assert "blank" in problem(answer, 422)["detail"]
    ones = problem(api.post("/predict", json={"image": np.eye(28).tolist()}), 422)
    assert "say scale=unit" in ones["detail"]


@of("letters")
def test_classes_are_named_in_all_that_is_told_of_them(api: TestClient, model: str) -> None:
    body = {"image": stored(LETTERS, 1)[0].tolist()}
    plain = api.post("/predict", json=body).json()
    found = api.post("/predict?named=true&top_k=26&details=true", json=body).json()
    assert list(found["probabilities"]) == list(LETTERS.classes)
    assert list(found["probabilities"].values()) == plain["probabilities"]
    assert found["top"][0] == {"label": found["label"], "probability": max(plain["probabilities"])}
    assert [its["label"] for its in found["top"]] == sorted(
        LETTERS.classes, key=lambda name: -found["probabilities"][name]
    )
    assert 0 <= found["entropy"] <= np.log(26) + 1e-6
    rejected = api.post("/predict?reject_below=1", json=body).json()
    assert (rejected["label"], rejected["rejected"]) == (None, True)
    assert "digit" not in rejected
    refused = api.post("/predict?top_k=27", json=body)
    assert pointers(refused) == {"#query/top_k"}
    assert "top_k is 27, and model letters/1 knows 26 classes" in refused.json()["detail"]


def test_the_digits_are_told_as_digits_and_by_name(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    found = api.post("/predict?top_k=2&named=true", content=b"\0\xff" * 392, headers=RAW).json()
    assert found["label"] == str(found["digit"])
    assert [its["label"] for its in found["top"]] == [str(its["digit"]) for its in found["top"]]
    assert list(found["probabilities"]) == list("0123456789")
    assert "classes" not in found["model"]
    rejected = api.post("/predict?reject_below=1", content=b"\0\xff" * 392, headers=RAW).json()
    assert (rejected["digit"], rejected["label"]) == (None, None)


@of("letters", "faces", "wine", "titanic", "strict")
def test_the_schema_of_a_version_holds_an_example_that_works(api: TestClient, model: str) -> None:
    described = api.get(f"/models/{model}/versions/1/schema").json()
    Draft202012Validator.check_schema(described)
    takes = Draft202012Validator(described)
    (example,) = described["examples"]
    assert api.get(f"/models/{model}/versions/1").json()["links"]["schema"].endswith(f"/{model}/versions/1/schema")
    answer = api.post("/predict", json=example)
    assert answer.status_code == 200, answer.text
    assert "notes" not in answer.json()
    field = "row" if "row" in example else "image"
    refused = [{}, {field: []}, {field: example[field], "modle": "x"}, {f"{field}s": []}]
    if field == "row":
        refused += [{"row": {**example["row"], "zzz": 1}}]
        assert takes.is_valid({"rows": [example["row"]] * 3})
        for form in (described["$defs"]["csv"], described["$defs"]["ndjson"]):
            kind = {"Content-Type": form["contentMediaType"]}
            (same,) = api.post("/predict", content=form["examples"][0], headers=kind).json()["predictions"]
            assert same == {name: value for name, value in answer.json().items() if name != "model"}
    else:
        refused += [{"image": example["image"][1:]}, {"image": np.full_like(example["image"], 999).tolist()}]
    takes.validate(example)
    for body in refused:
        assert not takes.is_valid(body), body
        assert api.post("/predict", json={"model": model, **body}).status_code == 422
    problem(api.get(f"/models/{model}/versions/2/schema"), 404)


@of("letters", "faces", "scaled")
def test_the_gradient_of_pictures_has_their_form_and_their_numbers_are_bounded(api: TestClient, model: str) -> None:
    schema, network = NETWORKS[model].schema, NETWORKS[model]
    sent = inference.as_sent(stored(schema, MOST_EXPLAINED + 1), schema)
    body = {"images": sent[:3].tolist()}
    found = api.post("/predict?explain=gradient&details=true", json=body).json()["predictions"]
    places = network.logits(sent[:3].astype(np.float32)).argmax(axis=1)
    expected = gradient(network, sent[:3].astype(np.float32), places)
    np.testing.assert_allclose([its["gradient"] for its in found], expected, rtol=1e-4, atol=1e-6)
    assert all(0 <= its["novelty"] <= 1 and its["entropy"] > 0 for its in found)
    answer = api.post("/predict?explain=gradient", json={"images": sent.tolist()})
    assert pointers(answer) == {"#query/explain"}
    assert f"at most {MOST_EXPLAINED} images like these" in answer.json()["detail"]
    problem(api.post("/predict?explain=columns", json=body), 409)


@of("titanic")
def test_what_each_column_adds_to_the_class_is_told_by_its_name(api: TestClient, model: str) -> None:
    network = NETWORKS[model]
    rows: list[dict[str, Any]] = [
        {"Pclass": "1", "Sex": "female", "Age": 70, "alone": True},
        {"Pclass": "9", "Sex": "male", "Age": None, "alone": False},
        {"Pclass": "3", "Sex": "male", "Age": 28, "alone": "no"},
    ]
    found = api.post("/predict?explain=columns&named=true", json={"rows": rows}).json()["predictions"]
    for row, its in zip(rows, found, strict=True):
        assert list(its["columns"]) == ["Pclass", "Sex", "Age", "alone"]
        for name, usual in {"Pclass": "3", "Sex": "male", "Age": 28, "alone": "no"}.items():
            without = api.post("/predict?named=true", json={"row": {**row, name: usual}}).json()["probabilities"]
            expected = its["probabilities"][its["label"]] - without[its["label"]]
            assert its["columns"][name] == pytest.approx(expected, abs=2e-6)
    assert list(found[2]["columns"].values()) == [0.0] * 4, "all is usual in it"
    assert found[1]["columns"]["Pclass"] != 0, "a level that nobody knows is not the usual one"
    assert network.plan is not None


@of("wine")
def test_rows_are_explained_by_columns_and_few_at_once(api: TestClient, model: str) -> None:
    rows = wine(MOST_EXPLAINED + 1)[0]
    answer = problem(api.post("/predict?explain=gradient", json={"row": rows[0]}), 409)
    assert f"model {model}/1 takes rows" in answer["detail"]
    assert "ask with explain=columns" in answer["detail"]
    assert pointers(api.post("/predict?explain=columns", json={"rows": rows})) == {"#query/explain"}
    found = api.post("/predict?explain=columns&details=true", json={"rows": rows[:-1]}).json()["predictions"]
    assert len(found) == MOST_EXPLAINED
    assert all(len(its["columns"]) == 13 for its in found)


@of("titanic")
def test_a_row_with_a_level_that_nobody_knows_is_unusual(api: TestClient, model: str) -> None:
    row = {"Pclass": "1", "Sex": "female", "Age": 25, "alone": False}
    for change in ({"Sex": "diverse"}, {"Age": 1e6}):
        found = api.post("/predict?details=true", json={"rows": [row | change, row]}).json()["predictions"]
        assert found[0]["novelty"] < 0.02, change
        assert found[0]["novelty"] <= found[1]["novelty"]


def test_ten_classes_of_other_names_are_asked_as_the_digits_are(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    names = tuple(f"garment {place}" for place in range(10))
    weights = weights_of(Images(preparation="plain", classes=names))
    succeeded(store, artifacts, file=weights, model="garments", dataset="fashion_mnist")
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": [7] * 784}
    answer = api.post("/v2/models/garments/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    explained = api.post("/predict?explain=gradient", content=b"\0\xff" * 392, headers=RAW).json()
    assert explained["label"] in names
    assert len(explained["gradient"]) == 28


def test_pictures_of_more_numbers_wait_in_fewer_rows() -> None:
    assert largest_of(784) == largest_of(13) == LARGEST
    assert largest_of(128 * 128 * 3) == 8
    assert largest_of(1024 * 1024 * 3) == 1
