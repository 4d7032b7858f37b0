"""Your own data: a file becomes a network that answers, in four requests: upload, look, train, ask.

What the file was taken for is told before anything is trained. Here it is a table of wines, whose last column says
which grape it is, pictures of 8 x 8 pixels that are letters, and a ZIP of pictures that gets more in the night.
"""

import gzip
import io
import zipfile
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

from tests.walkthrough.steps import train

GRAPES = ["barbera", "barolo", "grignolino"]


def wines() -> pd.DataFrame:
    """Give a table of 178 wines: 13 measurements and the grape."""
    bunch = load_wine()
    table = pd.DataFrame(bunch.data, columns=list(bunch.feature_names))
    return table.assign(grape=[GRAPES[(place + 1) % 3] for place in bunch.target])


def uploaded(tenfold: httpx.Client, name: str, content: bytes, **options: str) -> dict[str, Any]:
    """Send a file, and wait until it has been read."""
    answer = tenfold.post("/datasets", params={"name": name, **options}, content=content)
    assert answer.status_code in {200, 202}, answer.text
    version: dict[str, Any] = tenfold.get(answer.headers["location"], timeout=30).raise_for_status().json()
    return version


@pytest.fixture(scope="module")
def wine(tenfold: httpx.Client) -> dict[str, Any]:
    """A table that was uploaded and read."""
    return uploaded(tenfold, "wine", wines().to_csv(index=False).encode())


@pytest.fixture(scope="module")
def trained(tenfold: httpx.Client, wine: dict[str, Any]) -> dict[str, Any]:
    """A network that learned from it; its model is called as its data."""
    return train(tenfold, dataset="wine", learning_rate=0.01, epochs=30, metric="log_loss")


def test_a_file_is_read_and_said_what_it_was_taken_for(tenfold: httpx.Client, wine: dict[str, Any]) -> None:
    assert (wine["state"], wine["kind"], wine["examples"]) == ("ready", "table", 178)
    assert wine["schema"]["classes"] == GRAPES
    reading = tenfold.get(wine["links"]["reading"]).json()
    assert reading["taken_for"]["label"]["column"] == "grape"
    assert reading["classes"][1] == {"name": "barolo", "examples": 59}
    page = tenfold.get(wine["links"]["reading"], headers={"Accept": "text/markdown"}).text
    assert "alcohol" in page
    assert "grape" in page


def test_it_is_looked_at_row_by_row_and_as_a_picture(tenfold: httpx.Client, wine: dict[str, Any]) -> None:
    (row,) = tenfold.get("/datasets/wine/versions/1/rows", params={"limit": 1}).json()["data"]
    assert row["label"] in GRAPES
    assert row["values"]["alcohol"] == 14.23
    histograms = Image.open(io.BytesIO(tenfold.get(wine["links"]["samples"]).content))
    assert min(histograms.size) > 500


def test_a_job_learns_from_the_newest_version_and_says_which(trained: dict[str, Any]) -> None:
    assert (trained["state"], trained["spec"]["model"]) == ("succeeded", "wine")
    assert trained["spec"]["dataset"] in {"wine/1", "wine/2"}
    assert trained["spec"]["stratify"] is True
    assert trained["parameters"] == 6603
    assert trained["result"]["val_accuracy"] > 0.9


def test_a_row_is_answered_by_name(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    row = wines().iloc[0].drop("grape").to_dict()
    answer = tenfold.post("/predict", params={"named": True}, json={"model": "wine", "row": row}).json()
    assert answer["label"] == wines().grape[0]
    assert answer["probabilities"].keys() == set(GRAPES)
    several = tenfold.post("/predict", json={"model": "wine", "rows": [row, {**row, "alcohol": None}]}).json()
    assert several["predictions"][1]["notes"][0]["kind"] == "missing"
    refused = tenfold.post("/predict", json={"model": "wine", "row": {**row, "alcool": 13}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/row/alcool")
    assert "did you mean alcohol?" in refused.json()["detail"]


def test_what_it_learned_is_told_by_the_names_of_its_classes(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    evaluation = tenfold.get(f"/jobs/{trained['id']}/evaluation").json()
    assert [its["name"] for its in evaluation["classes"]] == GRAPES
    assert np.sum(evaluation["confusion"]) == 36
    assert Image.open(io.BytesIO(tenfold.get(trained["links"]["confusion_plot"]).content)).size[0] > 500
    card = tenfold.get("/models/wine/versions/1/card", headers={"Accept": "text/markdown"}).text
    assert "grignolino" in card


def test_the_same_file_again_is_the_same_version_and_another_one_the_next(
    tenfold: httpx.Client, wine: dict[str, Any]
) -> None:
    content = wines().to_csv(index=False).encode()
    assert uploaded(tenfold, "wine", content)["version"] == wine["version"]
    more = uploaded(tenfold, "wine", wines().iloc[::-1].to_csv(index=False, sep=";").encode())
    assert more["version"] == wine["version"] + 1
    assert more["reading"]["taken_for"]["separator"] == "semicolon"


def test_pictures_have_the_size_and_the_scale_that_they_came_with(tenfold: httpx.Client) -> None:
    digits = load_digits()
    table = pd.DataFrame(digits.data, columns=digits.feature_names)
    table["letter"] = ["ABCDEFGHIJ"[place] for place in digits.target]
    letters = uploaded(tenfold, "letters", gzip.compress(table.to_csv(index=False).encode()))
    assert (letters["kind"], letters["schema"]["height"], letters["schema"]["scale"]) == ("images", 8, [0.0, 16.0])
    job = train(tenfold, dataset="letters", epochs=10)
    assert job["result"]["val_accuracy"] > 0.9
    answer = tenfold.post("/predict", json={"model": "letters", "image": digits.images[0].tolist()}).json()
    assert answer["label"] == "A"
    assert "digit" not in answer
    small = tenfold.post("/predict", json={"model": "letters", "image": [[1, 2], [3, 4]]})
    assert "send 8 rows of 8 numbers from 0 to 16" in small.json()["detail"]


def folders(digits: np.ndarray, names: list[str], wrapped_in: str) -> bytes:
    """Give a ZIP as a file manager makes it: a folder, and in it one for each class, full of PNGs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for place, (picture, name) in enumerate(zip(digits, names, strict=True)):
            png = io.BytesIO()
            Image.fromarray((picture * 15).astype(np.uint8)).resize((16, 16)).save(png, "PNG")
            archive.writestr(f"{wrapped_in}/{name}/{place:04}.png", png.getvalue())
        archive.writestr(f"__MACOSX/{wrapped_in}/._{names[0]}", b"what no picture is")
    return file.getvalue()


def test_a_zip_of_pictures_in_folders_is_read_and_a_night_later_there_are_more(tenfold: httpx.Client) -> None:
    digits = load_digits()
    names = ["ABCDEFGHIJ"[place] for place in digits.target]
    tried = tenfold.post("/datasets/preview", content=folders(digits.images[:300], names[:300], "signs"))
    assert (tried.status_code, tried.json()["kind"]) == (200, "images")

    signs = uploaded(tenfold, "signs", folders(digits.images[:1500], names[:1500], "signs"))
    assert (signs["state"], signs["examples"], signs["schema"]["height"]) == ("ready", 1500, 16)
    assert signs["schema"]["classes"] == list("ABCDEFGHIJ")
    assert any("__MACOSX" in note["detail"] for note in signs["reading"]["notes"])
    before = train(tenfold, dataset="signs", epochs=5)

    tonight = folders(digits.images[1500:], names[1500:], "signs 2026-11-28")
    more = uploaded(tenfold, "signs", tonight, append="true")
    assert (more["version"], more["appended_to"], more["examples"]) == (2, "signs/1", 1797)
    assert more["reading"]["added"]["examples"] == 297
    again = uploaded(tenfold, "signs", tonight, append="true")
    assert again["version"] == 2

    after = train(tenfold, dataset="signs", epochs=5)
    assert (before["spec"]["dataset"], after["spec"]["dataset"]) == ("signs/1", "signs/2")
    assert after["result"]["val_accuracy"] > 0.9
    assert tenfold.delete("/datasets/signs/versions/1").status_code == 204
    assert len(tenfold.get("/datasets/signs/versions/2/rows", params={"limit": 1}).json()["data"]) == 1


def test_a_file_that_cannot_be_read_says_why_and_what_to_do(tenfold: httpx.Client) -> None:
    failed = uploaded(tenfold, "spreadsheet", b"PK\x03\x04" + bytes(100))
    assert failed["state"] == "failed"
    (fault,) = failed["faults"]
    assert fault["remedy"]
    answer = tenfold.post("/jobs", json={"dataset": "spreadsheet"})
    assert answer.status_code == 409
    misspelt = uploaded(tenfold, "wine-by-grap", wines().to_csv(index=False).encode(), label="grap")
    assert "grape" in misspelt["faults"][0]["remedy"] + misspelt["faults"][0]["detail"]


def test_what_a_reading_warns_of_is_on_the_card(tenfold: httpx.Client) -> None:
    table = pd.concat([wines(), wines().head(40)])
    twice = uploaded(tenfold, "twice", table.to_csv(index=False).encode())
    (warning,) = [its for its in twice["reading"]["warnings"] if its["kind"] == "duplicates"]
    job = train(tenfold, dataset="twice", epochs=1, promote="never")
    assert job["state"] == "succeeded"
    card = tenfold.get("/models/twice/versions/1/card").json()
    assert {"kind": "duplicates", "detail": warning["detail"]} in card["data"]["warnings"]
