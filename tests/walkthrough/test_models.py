"""Models: what jobs have learned is kept as versions, which are downloaded, promoted, taken back and put together.

The last page. `trained` is a network, `versions` are three that differ by their seed alone; see conftest.py.
"""

import hashlib
from typing import Any

import httpx
from safetensors.numpy import load

from tests.waiting import wait_until
from tests.walkthrough.steps import STRIPES, train


def test_the_weights_are_downloaded_and_their_hash_is_on_record(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    last, best = tenfold.get(trained["links"]["checkpoints"]).json()["data"]
    file = tenfold.get(last["url"])
    digest = hashlib.sha256(file.content).hexdigest()
    assert digest == last["sha256"] == trained["weights_sha256"] == file.headers["etag"].strip('"')
    assert load(file.content)["linear1.weight"].shape == (100, 784)
    assert last["about"]["spec"] == trained["spec"]
    assert set(last["about"]["normalisation"]) == {"mean", "deviation"}
    assert best["epoch"] == trained["result"]["best_epoch"]
    part = tenfold.get(last["url"], headers={"Range": "bytes=8-15"})
    assert (part.status_code, part.content) == (206, file.content[8:16])


def test_a_better_network_is_promoted_and_taken_back(tenfold: httpx.Client) -> None:
    for epochs in (1, 5, 2):
        train(tenfold, model="walk", epochs=epochs, learning_rate=0.01)
    champion = "/models/walk/aliases/champion"
    assert tenfold.get(champion).json()["versions"] == {"2": 1.0}, "the best of them, and not the last"
    facts = tenfold.get("/models/walk/versions/3").json()["facts"]
    assert "does not exceed that of the champion, version 2" in facts["not_promoted_because"]

    def answers() -> int:
        form = {"Content-Type": "application/octet-stream"}
        answer = tenfold.post("/predict", params={"model": "walk"}, content=STRIPES, headers=form)
        return int(answer.raise_for_status().json()["model"]["version"])

    assert answers() == 2
    assert tenfold.post(f"{champion}/rollback").json()["versions"] == {"1": 1.0}
    wait_until(lambda: answers() == 1, timeout=10, what="every process to follow")
    seen = tenfold.get(champion).headers["etag"]
    moved = tenfold.put(champion, json={"version": 3}, headers={"If-Match": seen})
    assert moved.json()["versions"] == {"3": 1.0}, "somebody says so"
    page = tenfold.get("/models/walk/versions/2/card", headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.text.startswith("# Model card")
    assert tenfold.get("/models/walk/versions/2/lineage").json()["dataset"] == "digits"


def test_several_versions_answer_together_better_than_most_of_them_alone(
    tenfold: httpx.Client, versions: list[dict[str, Any]]
) -> None:
    body = {"name": "readers", "members": ["reader/1", "reader/2", "reader/3"]}
    ensemble = tenfold.post("/models", json=body)
    assert ensemble.status_code == 201, ensemble.text
    alone = sorted(version["val_accuracy"] for version in versions)
    assert ensemble.json()["val_accuracy"] >= alone[0]
    assert tenfold.post("/models", json=body).status_code == 200, "asked again, it is the same"

    examples = tenfold.get(f"/jobs/{versions[0]['job_id']}/examples", params={"limit": 100}).json()
    answer = tenfold.post("/predict", params={"model": "readers"}, json={"images": examples["images"]}).json()
    assert (answer["model"]["name"], answer["model"]["members"]) == ("readers", 3)
    read = [prediction["digit"] for prediction in answer["predictions"]]
    assert sum(a == b for a, b in zip(read, examples["labels"], strict=True)) > 85
