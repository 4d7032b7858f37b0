"""The examples of a version of a data set, one by one."""

import io
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from models.data.examples import Examples
from models.data.schema import Column, Table
from models.data.stored import LABELS, VALUES
from service.api.routes.datasets.rows import MOST_CELLS, page_of
from service.artifacts import Artifacts
from service.errors import Invalid
from service.store import owners
from service.store.store import Store
from tests.answers import problem
from tests.records import data
from tests.worker.plots.examples import PASSENGERS, PHOTOGRAPHS, of_form

VERSION = "/datasets/letters/versions/3"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


@pytest.fixture
def uploaded(store: Store, artifacts: Artifacts) -> str:
    """Keep thirty pictures, the n-th of which has the label n mod 10 and is n everywhere; gives their path."""
    arrays: dict[str, NDArray[Any]] = {
        VALUES: np.repeat(np.arange(30, dtype=np.uint8), 784).reshape(30, 28, 28),
        LABELS: np.arange(30) % 10,
    }
    files = []
    for name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        files.append(artifacts.write(owners.of_data("mine", 1), name, content.getvalue()))
    assert data(store, artifacts, files=files) == 1
    return "/datasets/mine/versions/1"


def test_pictures_are_listed_in_pages_and_each_is_a_png_of_its_own_size(api: TestClient, uploaded: str) -> None:
    page = api.get(f"{uploaded}/rows?limit=12").json()
    assert [(its["row"], its["label"]) for its in page["data"]] == [(row, str(row % 10)) for row in range(12)]
    assert page["data"][11] == {
        "row": 11,
        "label": "1",
        "part": None,
        "values": None,
        "image": f"{uploaded}/images/11.png",
    }
    assert page["has_more"]
    rest = api.get(api.get(page["next"]).json()["next"]).json()
    assert [its["row"] for its in rest["data"]] == list(range(24, 30))
    assert (rest["has_more"], rest["next"]) == (False, None)

    answer = api.get(page["data"][11]["image"])
    assert answer.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.size, picture.mode) == ((28, 28), "L")
        assert (np.asarray(picture) == 11).all()
    tag = answer.headers["ETag"]
    assert api.get(page["data"][11]["image"], headers={"If-None-Match": tag}).status_code == 304
    problem(api.get(page["data"][11]["image"], headers={"If-Match": '"other"'}), 412)


def test_those_of_one_class_can_be_asked_for(api: TestClient, uploaded: str) -> None:
    page = api.get(f"{uploaded}/rows?label=7&limit=2").json()
    assert [its["row"] for its in page["data"]] == [7, 17]
    assert [its["row"] for its in api.get(page["next"]).json()["data"]] == [27]
    answer = problem(api.get(f"{uploaded}/rows?label=seven"), 422)
    assert "there is no class called 'seven'; they are '0', '1'" in answer["detail"]
    assert answer["errors"][0]["pointer"] == "#query/label"


def test_what_is_not_there_is_told(api: TestClient, uploaded: str) -> None:
    assert "has 30 pictures" in problem(api.get(f"{uploaded}/images/30.png"), 404)["detail"]
    problem(api.get(f"{uploaded}/images/-1.png"), 422)
    problem(api.get(f"{uploaded}/rows?limit=101"), 422)
    assert api.get(f"{uploaded}/rows?after=29").json() == {"data": [], "has_more": False, "next": None}
    problem(api.get("/datasets/mine/versions/2/rows"), 404)
    problem(api.get("/datasets/nobodys/versions/1/rows"), 404)
    assert "is built in" in problem(api.get("/datasets/mnist/versions/1/rows"), 409)["detail"]


def test_rows_of_a_table_are_by_the_names_of_their_columns_and_parts_by_theirs() -> None:
    examples = of_form(PASSENGERS, 5)
    examples = Examples(examples.values, examples.labels, PASSENGERS, np.array([0, 1, 2, 0, 0], np.uint8))
    page = page_of(examples, VERSION, after=-1, limit=3, label=None)
    assert [its.part for its in page.data] == ["train", "validation", "test"]
    assert [its.label for its in page.data] == ["died", "survived", "died"]
    assert page.data[0].values is not None
    assert page.data[0].values["age"] is None
    assert page.data[0].values["port"] in PASSENGERS.columns[1].levels
    assert page.data[0].image is None
    assert page.next == f"{VERSION}/rows?limit=3&after=2"


def test_a_page_of_wide_rows_is_shorter_and_goes_on() -> None:
    wide = Table(columns=tuple(Column(name=f"c{place}", type="number") for place in range(5000)), classes=("a", "b"))
    page = page_of(Examples(np.zeros((50, 5000)), np.arange(50) % 2, wide), VERSION, after=-1, limit=100, label="b")
    assert [its.row for its in page.data] == list(range(1, 2 * MOST_CELLS // 5000, 2))
    assert page.next == f"{VERSION}/rows?label=b&limit=20&after=39"


def test_of_many_classes_ten_are_named() -> None:
    classes = tuple(f"class {label}" for label in range(300))
    examples = Examples(
        np.zeros((1, 40, 60, 3), np.uint8), np.zeros(1, np.int64), PHOTOGRAPHS.model_copy(update={"classes": classes})
    )
    with pytest.raises(Invalid, match=r"they are 'class 0', .*'class 9', \.\.\.$"):
        page_of(examples, VERSION, after=-1, limit=1, label="x")
