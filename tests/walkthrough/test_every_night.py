"""Every night: what came in by day is appended, a network learns from all of it, and answers if it is better.

Three requests beside waiting: append, train, look back. The letters are 8 x 8 pixels; some of them that
somebody has checked are kept apart, and decide who is better.
"""

from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from tests.walkthrough.steps import finish

CHECKED = slice(1400, 1797)
NIGHTLY = {"dataset": "nightly", "epochs": 25, "learning_rate": 0.003, "hidden_sizes": [32]}


def letters(rows: slice, *, mislabelled: bool = False) -> bytes:
    """Give some letters as a CSV; labels that are wrong are those of others."""
    digits = load_digits()
    table = pd.DataFrame(digits.data[rows], columns=digits.feature_names)
    labels = digits.target[rows]
    if mislabelled:
        labels = np.roll(labels, 1)
    table["letter"] = ["ABCDEFGHIJ"[label] for label in labels]
    return table.to_csv(index=False).encode()


class Night:
    """What is done every night, and how many requests it took beside those that wait."""

    def __init__(self, tenfold: httpx.Client) -> None:
        self.tenfold, self.requests = tenfold, 0

    def append(self, content: bytes, name: str = "nightly") -> dict[str, Any]:
        """Append what came in by day; what is there already makes no new version."""
        self.requests += 1
        answer = self.tenfold.post("/datasets", params={"name": name, "append": "true"}, content=content)
        version: dict[str, Any] = self.tenfold.get(answer.headers["location"], timeout=30).raise_for_status().json()
        return version

    def train(self, **more: Any) -> dict[str, Any]:
        """Train on the newest version; the job tells which version of its model it became, and whether it answers."""
        self.requests += 1
        job = self.tenfold.post("/jobs", json={**NIGHTLY, **more}).json()
        return finish(self.tenfold, job["id"])

    def history(self) -> dict[str, Any]:
        """Look back at what was decided."""
        self.requests += 1
        history: dict[str, Any] = self.tenfold.get("/models/nightly/history").raise_for_status().json()
        return history

    def __call__(self, content: bytes, **more: Any) -> dict[str, Any]:
        """Do all of it, in three requests beside those that wait; gives what there is to be seen in the morning."""
        data = self.append(content)
        job = self.train(evaluate_on="nightly-checked", **more)
        return {"data": data, "job": job, "decision": self.history()["decisions"][0], "requests": self.requests}


@pytest.fixture(scope="module")
def first(tenfold: httpx.Client) -> dict[str, Any]:
    """The first day: some letters are kept apart, and a network learns from a few others."""
    checked = Night(tenfold).append(letters(CHECKED), "nightly-checked")
    assert (checked["state"], checked["examples"]) == ("ready", 397)
    return Night(tenfold)(letters(slice(0, 150)), promote_min_value=0.5)


@pytest.fixture(scope="module")
def better(tenfold: httpx.Client, first: dict[str, Any]) -> dict[str, Any]:
    """A night after which there are more letters."""
    assert first["data"]["version"] == 1
    return Night(tenfold)(letters(slice(150, 1300)))


@pytest.fixture(scope="module")
def equal(tenfold: httpx.Client, better: dict[str, Any]) -> dict[str, Any]:
    """A night in which nothing new has come in."""
    assert better["data"]["version"] == 2
    return Night(tenfold)(letters(slice(150, 1300)))


@pytest.fixture(scope="module")
def worse(tenfold: httpx.Client, equal: dict[str, Any]) -> dict[str, Any]:
    """A night in which somebody has mixed up the labels."""
    assert equal["data"]["version"] == 2
    return Night(tenfold)(letters(slice(0, 1400), mislabelled=True))


def test_the_first_version_answers_if_it_is_good_enough(first: dict[str, Any]) -> None:
    job, found = first["job"], first["decision"]["comparison"]
    assert job["version"] == {"model": "nightly", "version": 1, "promoted": True, "not_promoted_because": None}
    assert job["spec"]["evaluate_on"] == "nightly-checked/1"
    assert (found["dataset"], found["part"], found["examples"]) == ("nightly-checked/1", "all", 397)
    assert found["value"] > 0.5 > found["guessing"]


def test_a_night_with_more_letters_is_better_and_answers(better: dict[str, Any]) -> None:
    job, found = better["job"], better["decision"]["comparison"]
    assert (better["data"]["version"], better["data"]["examples"], better["requests"]) == (2, 1300, 3)
    assert job["version"] == {"model": "nightly", "version": 2, "promoted": True, "not_promoted_because": None}
    assert (found["champion"], found["examples"], found["left_out"]) == (1, 397, 0)
    assert found["value"] > found["champion_value"]
    assert found["interval"][0] > 0, "and by more than chance"


def test_a_night_without_anything_new_is_equal_and_the_champion_stays(equal: dict[str, Any]) -> None:
    its, found = equal["job"]["version"], equal["decision"]["comparison"]
    assert (its["version"], its["promoted"]) == (3, False)
    assert (found["difference"], found["p"]) == (0.0, 1.0)
    assert "does not exceed that of the champion, version 2" in its["not_promoted_because"]


def test_a_night_with_labels_that_are_wrong_is_worse_and_says_so(tenfold: httpx.Client, worse: dict[str, Any]) -> None:
    job = worse["job"]
    assert (job["state"], job["version"]["promoted"]) == ("succeeded", False)
    because = job["version"]["not_promoted_because"]
    assert "its accuracy on 397 examples (all of nightly-checked/1), 0." in because
    told = tenfold.get(job["links"]["events"], params={"limit": 1000}).json()["data"]
    refused = [event["data"]["because"] for event in told if event["type"] == "version.refused"]
    assert refused == [because]
    assert worse["decision"]["not_promoted_because"] == because
    assert tenfold.get("/models/nightly/aliases/champion").json()["versions"] == {"2": 1.0}
    assert tenfold.get(job["links"]["version"]).json()["links"]["job"] == job["links"]["self"]


def test_a_night_that_has_to_end_is_finished_early_and_what_was_cancelled_is_kept(tenfold: httpx.Client) -> None:
    finished, cancelled = (stopped(tenfold, how) for how in ("finish", "cancel"))
    assert (finished["state"], finished["result"]["stopped_early"]) == ("succeeded", "finish")
    assert finished["version"]["model"] == "long-night"
    assert (cancelled["state"], cancelled["version"]) == ("cancelled", None)
    kept = tenfold.post("/models/long-night/versions", json={"job": cancelled["id"], "promote": "never"})
    assert kept.status_code == 201, kept.text
    assert kept.json()["has_card"]
    assert finish(tenfold, cancelled["id"])["version"]["version"] == kept.json()["version"]


def stopped(tenfold: httpx.Client, how: str) -> dict[str, Any]:
    """Train for long, and stop after the first epoch."""
    spec = {"dataset": "digits", "epochs": 1000, "model": "long-night", "promote": "never"}
    job = tenfold.post("/jobs", json=spec).raise_for_status().json()
    with tenfold.stream("GET", job["links"]["events"], headers={"Accept": "text/event-stream"}) as told:
        assert any(line == "event: epoch" for line in told.iter_lines())
    tenfold.post(job["links"][how]).raise_for_status()
    return finish(tenfold, job["id"])


def test_a_model_that_is_not_needed_any_more_goes_with_all_its_versions(tenfold: httpx.Client) -> None:
    job = tenfold.post("/jobs", json={"dataset": "digits", "epochs": 2, "model": "for-once"}).raise_for_status().json()
    assert finish(tenfold, job["id"])["version"]["promoted"]
    refused = tenfold.delete("/models/for-once")
    assert (refused.status_code, "?force=true" in refused.json()["detail"]) == (409, True)
    assert tenfold.delete("/models/for-once", params={"force": True}).status_code == 204
    assert tenfold.get("/models/for-once").status_code == 404
