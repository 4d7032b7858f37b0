"""POST /predict with CSV and with lines of JSON, and answers in CSV."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from models import inference
from models.data.plan import Plan
from models.data.schema import Images, Table
from service.artifacts import Artifacts
from service.predict.inputs.csv.sheet import LONGEST_LINE
from service.predict.requests import SHORT_LINES
from service.predict.schemas import MAX_IMAGES
from service.store.store import Store
from tests.answers import problem
from tests.forms import FACES, LETTERS, STRICT, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored, weights_of
from tests.records import succeeded
from tests.service.conftest import MadeOnce

SIXTEEN = Images(height=16, width=16, preparation="plain", classes=("o", "x"))
FORMS: dict[str, tuple[Images | Table, Plan | None]] = {
    "letters": (LETTERS, None),
    "faces": (FACES, None),
    "sixteen": (SIXTEEN, None),
    "wine": (WINE, WINE_PLAN),
    "titanic": (TITANIC, TITANIC_PLAN),
    "strict": (STRICT, TITANIC_PLAN),
}
FILES = {name: weights_of(*form) for name, form in FORMS.items()}
NETWORKS = {name: inference.read(file) for name, file in FILES.items()}

CSV, LINES = {"Content-Type": "text/csv"}, {"Content-Type": "application/x-ndjson"}
NAMES = [column.name for column in WINE.columns]
TITLE = "Pclass,Sex,Age,alone\n"


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(request: pytest.FixtureRequest, made_once: MadeOnce) -> str:
    """A model of the form that a test names."""
    name: str = request.param
    made_once(name, lambda store, artifacts: succeeded(store, artifacts, model=name, file=FILES[name]))
    return name


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", names, indirect=True)


def probabilities(name: str, values: Any) -> Any:
    return NETWORKS[name].probabilities(inference.taken_in(np.array(values, np.float64), NETWORKS[name].plan))


def asked(api: TestClient, text: str | bytes, query: str = "", kind: str = "text/csv") -> list[dict[str, Any]]:
    answer = api.post(f"/predict{query}", content=text, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def assert_are(name: str, values: Any, predictions: Sequence[dict[str, Any]]) -> None:
    found = [its["probabilities"] for its in predictions]
    np.testing.assert_allclose(found, probabilities(name, values), rtol=0, atol=1e-6)


def wine(count: int) -> Any:
    return np.round(stored(WINE, count), 3)


def written(values: Any, separator: str = ",", mark: str = ".", end: str = "\n", names: Sequence[str] = NAMES) -> str:
    cells = [[repr(value).replace(".", mark) for value in row] for row in values.tolist()]
    return "".join(separator.join(row) + end for row in [list(names), *cells])


@of("wine")
def test_rows_of_csv_are_taken_however_they_are_written(api: TestClient, model: str) -> None:
    values = wine(3)
    quoted = ",".join(f'"{name}"' for name in NAMES) + written(values)[len(",".join(NAMES)) :]
    order = list(reversed(range(13)))
    ways = {
        "plain": written(values).encode(),
        "without an end": written(values).rstrip().encode(),
        "with blank lines at the end": (written(values) + "\n \n").encode(),
        "with a mark": b"\xef\xbb\xbf" + written(values).encode(),
        "with a mark and a quoted first cell": b"\xef\xbb\xbf" + quoted.encode(),
        "returns": written(values, end="\r\n").encode(),
        "returns alone": written(values, end="\r").encode(),
        "tabs": written(values, "\t").encode(),
        "bars": written(values, "|").encode(),
        "semicolons and commas": written(values, ";", ",").encode(),
        "tabs and commas": written(values, "\t", ",").encode(),
        "said": b"sep=;\n" + written(values, ";").encode(),
        "in another order": written(values[:, order], names=[f" {NAMES[place]} " for place in order]).encode(),
        "of Excel": written(values, "\t").encode("utf-16"),
    }
    for way, body in ways.items():
        assert_are(model, values, asked(api, body))
        assert not any("notes" in its for its in asked(api, body)), way
    assert_are(model, values, asked(api, written(values), "?model=wine/1", "application/csv; charset=ISO-8859-1"))
    with_name = written(values).replace("\n", "\n", 1).encode().replace(b"alcohol", b"alcohol", 1)
    assert_are(model, values, asked(api, with_name, kind="Text/CSV; charset=windows-1252; header=present"))


@of("wine")
def test_ten_thousand_rows_of_csv_are_answered_and_no_more(api: TestClient, model: str) -> None:
    values = wine(MAX_IMAGES)
    text = written(values)
    assert len(text) > SHORT_LINES
    assert_are(model, values, asked(api, text))
    last = text.rstrip().rpartition("\n")[2]
    answer = problem(api.post("/predict", content=text + last, headers=CSV), 422)
    assert "takes a list of 1 to 10,000 rows at once; there are more" in answer["detail"]


@of("wine")
def test_numbers_are_read_as_in_a_file(api: TestClient, model: str) -> None:
    values = wine(2)
    values[0, 12], values[1, 12] = 1234.5, 1234567
    text = written(values)
    for ours, theirs in (("1234.5", '"1,234.5"'), ("1234567.0", '"1,234,567"'), ("1234567.0", "1.234567e6")):
        assert_are(model, values, asked(api, text.replace(ours, theirs)))
        (as_row,) = [
            row
            for row in csv.DictReader(text.replace(ours, theirs).splitlines())
            if row["proline"] == theirs.strip('"')
        ]
        place = int(ours != "1234.5")
        assert_are(model, values[place : place + 1], [api.post("/predict", json={"row": as_row}).json()])
    german = written(values, ";", ",").replace("1234,5", "1.234,5").replace("1234567,0", "1.234.567")
    assert_are(model, values, asked(api, german))
    doubtful = text.replace("1234.5", '"1,234"')
    values[0, 12] = 1234  # other cells have points, so that this comma sets off thousands
    assert_are(model, values, asked(api, doubtful))
    for body, why in (
        (german.replace("1.234,5", "1.234"), "'1.234' has a point, and other decimals have a comma"),
        (text.replace("1234.5", "12a"), "'12a' is no number"),
    ):
        told = problem(api.post("/predict", content=body, headers=CSV), 422)["errors"][0]
        assert why in told["detail"]
        assert told["where"] == "line 2, column proline"
    alone = ";".join(NAMES) + "\n" + ";".join(["1,234"] * 13)
    assert_are(model, [[1.234] * 13], asked(api, alone))
    answer = api.post("/predict", content=alone.replace(";", "\t"), headers=CSV)
    assert "may have thousands or decimals" in problem(answer, 422)["detail"]
    answer = api.post("/predict", json={"row": dict.fromkeys(NAMES, "1,234")})
    assert "may have thousands or decimals" in problem(answer, 422)["detail"]


@of("titanic")
def test_what_is_missing_unknown_or_ignored_is_noted_in_csv_too(api: TestClient, model: str) -> None:
    text = ',PassengerId,Sex,Pclass,Age\n0,7, female ,1,38\n1,8,"",NA,\n2,9,Male,9,null\n'
    first, second, third = asked(api, text)
    nameless = {"column": "", "kind": "ignored", "sent": "0", "used": None}
    ignored = {"column": "PassengerId", "kind": "ignored", "sent": "7", "used": None}
    alone = {"column": "alone", "kind": "missing", "sent": None, "used": "no"}
    assert first["notes"] == [nameless, ignored, alone]
    assert [(note["column"], note["kind"]) for note in second["notes"][2:]] == [
        ("Pclass", "missing"), ("Sex", "missing"), ("Age", "missing"), ("alone", "missing"),
    ]  # fmt: skip
    assert third["notes"][2:4] == [
        {"column": "Pclass", "kind": "unknown_level", "sent": "9", "used": None},
        {"column": "Sex", "kind": "unknown_level", "sent": "Male", "used": None, "nearest": "male"},
    ]
    nan = np.nan
    assert_are(model, [[0, 0, 38, nan], [nan] * 4, [-1, -1, nan, nan]], [first, second, third])
    as_rows = [dict(row) for row in csv.DictReader(text.splitlines())]
    assert api.post("/predict", json={"rows": as_rows}).json()["predictions"] == [first, second, third]
    as_lines = "\n".join(map(json.dumps, as_rows))
    assert asked(api, as_lines, kind="application/x-ndjson") == [first, second, third]


@of("titanic")
def test_booleans_and_levels_may_be_spelled_in_every_way(api: TestClient, model: str) -> None:
    for spelled in ("yes", "YES", "true", "T", "1", "on", " Y "):
        assert_are(model, [[0, 0, 38, 1]], asked(api, f"{TITLE}1.0,female,38,{spelled}\n"))


REFUSED: list[tuple[str, str | None, str]] = [
    ("", "line 1", "there is no row; send a line with the names of the columns"),
    ("\n\n", "line 1", "there is no row"),
    (
        "1,female,38,no\n",
        "line 1",
        "no column of model titanic/1 is named there; begin with a line of their names: Pcl",
    ),
    ("# a remark\n" + TITLE, "line 1", "leave out lines that begin with #"),
    (TITLE, None, "there are 0"),
    (TITLE + "1,female,38,no\n1,female,38\n", "line 3", "there are 3 cells, and the first row has 4 ('1,female,38')"),
    (TITLE + "1,female,38,no,\n", "line 2", "there are 5 cells, and the first row has 4"),
    (TITLE + "1,female,38,no\n# x\n", "line 3", "leave out lines that begin with #"),
    (TITLE + "\n1,female,38,no\n", "line 2", "leave out blank lines"),
    (TITLE + '"1\n","female\n",38,no\n1,"female,38,no\n', "line 5", "close each quote"),
    (TITLE + '1,"fem"ale,38,no\n', "line 2", "quote cells in which quotes stand"),
    (TITLE + "1,female,38,no\n1,fe\0male,38,no\n", "line 3", "a NUL stands there"),
    (TITLE + f"1,{'x' * LONGEST_LINE},38,no\n", "line 2", "the row there has more than 262,144 letters"),
    (TITLE + f'1,female,38,no\n1,"{"x" * 140_000}",38,no\n', "line 3", "field larger than field limit"),
    (TITLE + "1,female,abc,no\n", "line 2, column Age", "Age: 'abc' is no number"),
    (TITLE + '1,female,38,no\n1,"fe\nmale",1,no\n1,female,1e300,no\n', "line 5, column Age", "too far from all"),
    ("Pclass,Sex,Aeg\n1,female,38\n", "line 1", "has no column Aeg; did you mean Age?"),
    ("Pclass,SEX,Age\n1,female,38\n", "line 1", "has no column SEX; did you mean Sex?"),
    ("Pclass,Sex,Pclass\n1,female,3\n", "line 1", "column Pclass is named twice"),
    ("Pclass,,Age\n1,female,3\n", "line 1", "cell 2 is empty"),
]


@of("titanic")
def test_csv_that_cannot_be_taken_is_refused_by_its_line_with_the_remedy(api: TestClient, model: str) -> None:
    for body, where, why in REFUSED:
        answer = problem(api.post("/predict", content=body, headers=CSV), 422)
        assert why in answer["errors"][0]["detail"], (body[:80], answer)
        assert answer["errors"][0].get("where") == where, body[:80]
        assert (where or "").partition(", column")[0] in answer["detail"]
    bad = api.post("/predict", content=TITLE.encode() + b"1,f\xe9male,3,no\n", headers=CSV)
    assert "line 2: this is no text in UTF-8; send it so, or say what it is" in problem(bad, 422)["detail"]
    bad = api.post("/predict", content=TITLE, headers={"Content-Type": "text/csv; charset=ebcdic"})
    assert "CSV is read in utf-8" in problem(bad, 415)["detail"]
    problem(api.post("/predict", content=bytes(9 * 2**20), headers=CSV), 413)
    commas = api.post("/predict", content="," * 8_000_000, headers=CSV)
    assert "more than 262,144 letters" in problem(commas, 422)["detail"]
    cells = api.post("/predict", content=TITLE + ("," * 1000 + "\n") * 8000, headers=CSV)
    assert "there are 1,001 cells" in problem(cells, 422)["detail"]


@of("strict")
def test_policies_hold_for_csv(api: TestClient, model: str) -> None:
    body = TITLE + "1,female,38,no\n" * 300 + "1,femal,,no\n"
    found = problem(api.post("/predict", content=body, headers=CSV), 422)["errors"]
    assert [(its["where"], its["pointer"]) for its in found] == [
        ("line 302, column Sex", "/300/Sex"), ("line 302, column Age", "/300/Age"),
    ]  # fmt: skip
    assert "did you mean female?" in found[0]["detail"]


LINED: list[tuple[str, str, str]] = [
    ('{"Age": 1}\n\n{"Age": 2}', "line 2", "leave out blank lines"),
    ('{"Age": 1}\n{"Age": "x"}', "line 2, column Age", "'x' is no number"),
    ('{"Age": 1}\n[1]', "line 2", "this is no row of a table"),
    ('{"Age": 1}\n{"Age": 1', "line 2", "this is no row in JSON"),
    ('{"Age": 1, "Age": 2}', "line 1, column Age", "given 2 times"),
    ('{"Name": "' + "x" * 2**20 + '"}', "line 1", "more than 1,048,576 bytes"),
]


@of("titanic")
def test_lines_of_json_that_cannot_be_taken_are_refused_by_their_number(api: TestClient, model: str) -> None:
    for body, where, why in LINED:
        answer = problem(api.post("/predict", content=body, headers=LINES), 422)
        assert why in answer["errors"][0]["detail"], answer
        assert answer["errors"][0].get("where") == where
    assert "there are 0" in problem(api.post("/predict", content=b"\n", headers=LINES), 422)["detail"]
    many = '{"Age": 1, "Sex": "male", "Pclass": "1", "alone": "no"}\n' * (MAX_IMAGES + 1)
    assert "there are more" in problem(api.post("/predict", content=many, headers=LINES), 422)["detail"]
    assert (
        len(asked(api, many[: MAX_IMAGES // 2 * (many.index(chr(10)) + 1)], kind="application/ndjson"))
        == MAX_IMAGES // 2
    )


@of("letters", "faces")
def test_pictures_may_come_in_lines(api: TestClient, model: str) -> None:
    schema = FORMS[model][0]
    assert isinstance(schema, Images)
    values = inference.as_sent(stored(schema, 40), schema)
    cells = values.reshape(len(values), -1).tolist()
    text = "".join(",".join(map(repr, row)) + "\n" for row in cells)
    names = ",".join(f"pixel{place}" for place in range(schema.inputs)) + "\n"
    in_order = NETWORKS[model].probabilities(inference.taken_in(values, None))
    for body, kind in (
        (text, "text/csv"),
        (names + text, "text/csv"),
        ("".join(json.dumps(one) + "\n" for one in values.tolist()), "application/x-ndjson"),
    ):
        found = [its["probabilities"] for its in asked(api, body, kind=kind)]
        np.testing.assert_allclose(found, in_order, rtol=0, atol=1e-6)


PIXELS: list[tuple[str, str | None, str]] = [
    (
        "1,2,3\n",
        "line 1",
        "there are 3 cells, and model letters/1 takes pictures of 8 x 8 numbers; give each line the 64",
    ),
    (",".join(["1"] * 64) + "\n" + ",".join(["1"] * 63 + ["x"]), "line 2", "'x' is no number"),
    (",".join(["1"] * 64) + "\n" + ",".join(["1"] * 63 + ["1_0"]), "line 2", "'1_0' is no number"),
    (",".join(["1"] * 64) + "\n" + ",".join(["1"] * 63 + ["17"]), "line 2", "17 is outside of the scale"),
    (",".join(["1"] * 63 + ["nan"]), "line 1", "outside of the scale"),
    (",".join(["0.5"] * 64), "line 1", "all numbers are from 0 to 1"),
    (",".join(f"{x}x{y}" for y in range(8) for x in range(8)), "line 1", "do not count the pixels in their order"),
    (",".join(f"pixel{place}" for place in range(64)), None, "there are none"),
]


@of("letters")
def test_pictures_in_lines_are_refused_by_their_line(api: TestClient, model: str) -> None:
    for body, where, why in PIXELS:
        answer = problem(api.post("/predict", content=body, headers=CSV), 422)
        assert why in answer["detail"], answer
        if where is not None:
            assert answer["errors"][0]["where"] == where
    for line in ('{"image": []}', "[[1]]", "[[1", str([[1] * 65] * 8)):
        answer = problem(api.post("/predict", content=line, headers=LINES), 422)
        assert answer["detail"].startswith("line 1: ")
    many = (",".join(["1"] * 64) + "\n") * (MAX_IMAGES + 1)
    assert "there are more" in problem(api.post("/predict", content=many, headers=CSV), 422)["detail"]


@of("titanic")
def test_answers_come_in_csv_to_who_accepts_it(api: TestClient, model: str) -> None:
    rows = TITLE + "1,female,38,no\n" + "1,female,38,no\n" * 600 + '9,Male,,"no"\n'
    said = api.post("/predict", content=rows, headers=CSV).json()["predictions"]
    accept = {**CSV, "Accept": "application/json;q=0.1, text/csv"}
    answer = api.post("/predict?named=true&top_k=2&details=true&reject_below=0.1", content=rows, headers=accept)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'inline; filename="titanic-1.csv"'
    lines = list(csv.DictReader(answer.text.splitlines()))
    assert len(lines) == len(said) == 602
    for line, told in zip(lines, said, strict=True):
        assert line["label"] == line["top_1"] == told["label"]
        assert float(line["probability"]) == float(line["top_1_probability"]) == max(told["probabilities"])
        assert [float(line["probability_0"]), float(line["probability_1"])] == told["probabilities"]
        assert line["rejected"] == "false"
        assert float(line["entropy"]) > 0
        assert line["novelty"] == ""
    assert [bool(line["notes"]) for line in lines] == [False] * 601 + [True]
    assert lines[-1]["notes"] == "unknown: Pclass 9; unknown: Sex Male, perhaps male; missing: Age, taken as 28.0"
    one = {"row": {"Pclass": 1, "Sex": "male", "Age": 1, "alone": 0}}
    (row,) = csv.DictReader(api.post("/predict", json=one, headers={"Accept": "text/csv"}).text.splitlines())
    assert row.keys() == {"label", "probability"}
    rejected = api.post("/predict?reject_below=1", content=rows, headers=accept)
    assert rejected.text.splitlines()[1].startswith(",0.")
    refused = api.post("/predict?explain=gradient", content=rows, headers=accept)
    assert refused.status_code in (409, 422)


@of("letters")
def test_pictures_are_answered_in_csv_too_with_errors_in_their_places(api: TestClient, model: str) -> None:
    body = {"images": stored(LETTERS, 3).tolist()}
    plain = api.post("/predict", json=body).json()["predictions"]
    lines = api.post("/predict", json=body, headers={"Accept": "text/csv"}).text.splitlines()
    assert [line.split(",")[0] for line in lines] == ["label", *(its["label"] for its in plain)]
    file = io.BytesIO()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(file, "PNG")
    files = [("files", ("a.png", b"none")), ("files", ("b.png", file.getvalue())), ("files", ("c.png", b"none"))]
    answered = api.post("/predict", files=files, headers={"Accept": "text/csv"})
    first, second, third = csv.DictReader(answered.text.splitlines())
    assert first.keys() == {"label", "probability", "error"}
    assert (first["label"], second["label"] in LETTERS.classes, second["error"]) == ("", True, "")
    assert first["error"]
    assert third["error"]
    explained = api.post("/predict?explain=gradient", json=body, headers={"Accept": "text/csv"})
    assert explained.status_code in (409, 422)


@of("wine")
def test_probabilities_go_by_name_in_lines_too(api: TestClient, model: str) -> None:
    plain = asked(api, written(wine(3)), "?top_k=3")
    lines = api.post(
        "/predict?named=true&top_k=3", content=written(wine(3)), headers={**CSV, "Accept": LINES["Content-Type"]}
    )
    for line, told in zip(lines.text.splitlines(), plain, strict=True):
        found = json.loads(line)
        assert found["probabilities"] == dict(zip(WINE.classes, told["probabilities"], strict=True))
        assert found["top"] == told["top"]
        assert found["label"] == told["label"] == found["top"][0]["label"]


def test_names_that_need_it_are_quoted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    names = ('a,"b"', "=1+1", " c ")
    file = weights_of(WINE.model_copy(update={"classes": names}), WINE_PLAN)
    succeeded(store, artifacts, model="odd", file=file)
    answer = api.post("/predict?named=true", content=written(wine(50)), headers={**CSV, "Accept": "text/csv"})
    lines = list(csv.DictReader(answer.text.splitlines()))
    assert {line["label"] for line in lines} <= set(names)
    assert all(float(line[f"probability_{line['label']}"]) == float(line["probability"]) for line in lines)


ROW = b'{"Pclass": "1", "Sex": "male", "Age": 20, "alone": "no", "Name": %b}\n'


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        (b'"\\ud800"', "half a character"),
        (b'"a\\u0000"', "NUL"),
        (b"9" * 4000, "finite"),
        (b"NaN", "finite"),
        (b"[" * 90_000 + b"]" * 90_000, "nested more than 32 deep"),
        (b"[" * 40 + b"]" * 40, "nested more than 32 deep"),
        (b'{"a": 1, "a": 2}', "given 2 times"),
        ("é".encode("utf-16"), "no row in JSON"),
    ],
)
@of("titanic")
def test_a_line_is_read_as_strictly_as_a_document(api: TestClient, model: str, name: bytes, detail: str) -> None:
    body = ROW % b'"Ann"' + ROW % name
    told = problem(api.post("/predict", content=body, headers=LINES), 422)["detail"]
    assert told.startswith("line 2: ")
    assert detail in told


@of("titanic")
def test_whole_numbers_beyond_64_bits_are_noted_as_fractions(api: TestClient, model: str) -> None:
    its = asked(api, ROW % b'[":"]' + ROW % (b"9" * 30), kind="application/x-ndjson")
    assert [one["notes"][0]["sent"] for one in its] == ["[':']", 1e30]


@of("titanic")
def test_a_table_has_no_unit(api: TestClient, model: str) -> None:
    for content, headers in ((TITLE + "1,male,0.5,no\n", CSV), (ROW % b"null", LINES)):
        assert "scale=unit" in problem(api.post("/predict?scale=unit", content=content, headers=headers), 422)["detail"]
    row = {"row": json.loads(ROW % b"null"), "scale": "unit"}
    assert problem(api.post("/predict", json=row), 422)["errors"][0]["pointer"] == "/scale"


@of("titanic")
def test_quoted_names_may_stand_between_any_separators(api: TestClient, model: str) -> None:
    plain = asked(api, TITLE + "1,male,20.5,no\n")
    for separator in ";\t|":
        quoted = separator.join(f'"{name}"' for name in TITLE.strip().split(","))
        row = separator.join(('"1"', '"male"', "20,5", '"no"'))
        assert asked(api, f"{quoted}\n{row}\n") == plain


@of("titanic")
def test_a_charset_may_be_called_by_any_of_its_names(api: TestClient, model: str) -> None:
    plain = asked(api, TITLE + "1,m\xe4le,20.5,no\n")
    for charset, codec in (("utf8", "utf-8"), ('"UTF-8"', "utf-8"), ("latin1", "latin-1"), ("CP1252", "cp1252")):
        body = (TITLE + "1,m\xe4le,20.5,no\n").encode(codec)
        assert asked(api, body, kind=f"text/csv; charset={charset}") == plain
    for unknown in ("utf-7", "koi8-r", "\\0", "x" * 300):
        headers = {"Content-Type": f"text/csv; charset={unknown}"}
        assert "utf-8, us-ascii" in problem(api.post("/predict", content=TITLE, headers=headers), 415)["detail"]


@of("letters")
def test_lines_of_pictures_may_hold_shares_of_the_scale(api: TestClient, model: str) -> None:
    pixels = stored(LETTERS, 3)
    shares = (pixels / 16).reshape(3, -1).tolist()
    text = "\n".join(",".join(map(str, row)) for row in shares)
    assert "scale=unit" in problem(api.post("/predict", content=text, headers=CSV), 422)["detail"]
    assert_are("letters", pixels.reshape(3, -1), asked(api, text, "?scale=unit"))
    lines = "\n".join(json.dumps(image) for image in (pixels / 16).tolist())
    assert_are("letters", pixels.reshape(3, -1), asked(api, lines, "?scale=unit", "application/x-ndjson"))


@of("sixteen")
def test_numbers_that_count_are_names_and_no_picture(api: TestClient, model: str) -> None:
    pixels = stored(SIXTEEN, 2).reshape(2, -1)
    rows = [",".join(map(str, row)) for row in pixels.tolist()]
    for first in (0, 1):
        names = ",".join(map(str, range(first, first + 256)))
        assert_are("sixteen", pixels, asked(api, "\n".join([names, *rows])))


@of("letters")
def test_a_first_line_with_a_cell_that_is_no_number_is_not_taken_for_names(api: TestClient, model: str) -> None:
    for cell, remedy in (("", "give each pixel a number"), ("1,5", "decimals have a point")):
        text = ";".join([*(["3"] * 63), cell])
        detail = problem(api.post("/predict", content=text, headers=CSV), 422)["detail"]
        assert detail.startswith(f"line 1: {cell!r} is no number")
        assert remedy in detail
