"""What an answer tells beside digit and probabilities, and when a digit is not named."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from models import novelty, saliency
from models.calibration import entropy, softmax
from models.data.schema import USUAL
from models.inference import read
from service.artifacts import Artifacts
from service.predict.batcher import Batcher, Pace
from service.predict.details import tell
from service.predict.inputs.arrays import Arrays
from service.predict.responses import Words
from service.predict.schemas import MOST_EXPLAINED, ModelView, PredictQuery
from service.predict.served import PROBABILITIES, Served, scorer
from service.store import owners
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import succeeded, weights
from tests.service.conftest import MadeOnce

RAW = {"Content-Type": "application/octet-stream"}
TEMPERATURE = 2.5
NETWORK = read(weights(seed=0))
PIXELS = np.random.default_rng(1).integers(0, 256, (600, 28, 28), np.uint8)
"""More than a batch holds."""


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture(scope="module")
def usual() -> novelty.Novelty:
    """What images of another kind than PIXELS look like, and NETWORK's answers to them."""
    images = np.clip(PIXELS[:300].astype(np.int64) // 3 + 40, 0, 255).astype(np.uint8)
    return novelty.fit(images, entropy(softmax(NETWORK.logits(images), TEMPERATURE)))


@pytest.fixture
def model(made_once: MadeOnce, usual: novelty.Novelty) -> str:
    """A job whose version has been assessed."""
    more = {"novelty.safetensors": novelty.pack(usual)}

    def assessed(store: Store, artifacts: Artifacts) -> str:
        return succeeded(store, artifacts, temperature=TEMPERATURE, more_files=more)

    return made_once("mnist", assessed)


def ask(api: TestClient, pixels: NDArray[np.uint8], query: str = "", **headers: str) -> dict[str, Any]:
    answer = api.post(f"/predict?{query}", content=pixels.tobytes(), headers=RAW | headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.usefixtures("model")
def test_probabilities_are_those_of_the_logits_by_the_temperature(api: TestClient) -> None:
    answer = ask(api, PIXELS)
    expected = softmax(NETWORK.logits(PIXELS), TEMPERATURE)
    found = [prediction["probabilities"] for prediction in answer["predictions"]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert answer["model"]["temperature"] == TEMPERATURE
    alone = ask(api, PIXELS[7])
    np.testing.assert_allclose(alone["probabilities"], expected[7], rtol=0, atol=1e-6)
    infer = {"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": PIXELS[7].ravel().tolist()}]}
    outputs = {its["name"]: its["data"] for its in api.post("/v2/models/default/infer", json=infer).json()["outputs"]}
    np.testing.assert_allclose(outputs["probabilities"], expected[7], rtol=0, atol=1e-6)
    np.testing.assert_allclose(outputs["logits"], NETWORK.logits(PIXELS[7:8])[0], rtol=0, atol=1e-5)


@pytest.mark.usefixtures("model")
def test_details_tell_how_undecided_the_network_is_and_how_unusual_each_image(
    api: TestClient, usual: novelty.Novelty
) -> None:
    found = ask(api, PIXELS, "details=true")["predictions"]
    entropies = entropy(softmax(NETWORK.logits(PIXELS), TEMPERATURE))
    np.testing.assert_allclose([its["entropy"] for its in found], entropies, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        [its["novelty"] for its in found], usual.share(PIXELS, entropies), rtol=1e-5, atol=2.5 / novelty.QUANTILES
    )
    assert all(0 <= its["entropy"] <= math.log(10) and 0 <= its["novelty"] <= 1 for its in found)
    assert np.mean([its["novelty"] for its in found]) < 0.05, "they are unlike those that it was assessed with"
    assert "entropy" not in ask(api, PIXELS[:2])["predictions"][0]


def test_of_a_network_that_was_not_assessed_no_novelty_is_known(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts)
    found = ask(api, PIXELS[0], "details=true")
    assert found["novelty"] is None
    assert found["entropy"] > 0


def test_what_is_no_number_is_null(usual: novelty.Novelty) -> None:
    """A job's checkpoint may be asked before anybody has made sure that its outputs are numbers."""
    network = replace(NETWORK, layers=tuple(replace(its, bias=its.bias + np.nan) for its in NETWORK.layers))
    model = ModelView(job_id="7", epoch=1, weights_sha256="w")
    compute = scorer(network, 1.0)
    served = Served(
        network, Batcher(compute, Pace(0.0, 0.0)), usual, model, b"", Arrays(USUAL, "it"), Words(USUAL.classes)
    )
    rows = compute(PIXELS[:2])[:, PROBABILITIES]
    for told in tell(served, PredictQuery(details=True), PIXELS[:2].reshape(2, -1), rows, {}, 0):
        assert json.loads(b'{"digit":1%b}' % told)["entropy"] is None


@pytest.mark.usefixtures("model")
def test_a_digit_that_is_less_sure_than_asked_for_is_not_named(api: TestClient) -> None:
    sure = softmax(NETWORK.logits(PIXELS), TEMPERATURE).max(axis=1)
    threshold = float(np.median(sure))
    found = ask(api, PIXELS, f"reject_below={threshold}")["predictions"]
    assert [its["rejected"] for its in found] == [bool(its) for its in sure < threshold]
    assert [its["digit"] is None for its in found] == [its["rejected"] for its in found]
    assert 0 < sum(its["rejected"] for its in found) < len(found)
    alone = ask(api, PIXELS[0], "reject_below=1")
    assert (alone["digit"], alone["rejected"], len(alone["probabilities"])) == (None, True, 10)
    assert ask(api, PIXELS[0], "reject_below=0")["rejected"] is False


@pytest.mark.usefixtures("model")
def test_the_gradient_of_the_digit_that_was_read_is_told(api: TestClient) -> None:
    found = ask(api, PIXELS[:3], "explain=gradient&top_k=2")["predictions"]
    digits = np.array([its["digit"] for its in found])
    expected = saliency.gradient(NETWORK, PIXELS[:3], digits)
    np.testing.assert_allclose([its["gradient"] for its in found], expected, rtol=1e-4, atol=1e-7)
    assert [len(its["top"]) for its in found] == [2, 2, 2]


@pytest.mark.usefixtures("model")
def test_all_of_it_is_told_in_lines_too(api: TestClient) -> None:
    query = "details=true&reject_below=0.5&explain=gradient"
    answer = api.post(
        f"/predict?{query}", content=PIXELS[:4].tobytes(), headers=RAW | {"Accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    together = ask(api, PIXELS[:4], query)
    assert [{**its, "model": None} for its in lines] == [{**its, "model": None} for its in together["predictions"]]
    assert all(its["model"] == together["model"] for its in lines)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("reject_below=1.5", "#query/reject_below"),
        ("reject_below=nan", "#query/reject_below"),
        ("explain=attention", "#query/explain"),
        ("details=perhaps", "#query/details"),
    ],
)
def test_what_cannot_be_told_is_refused(api: TestClient, query: str, pointer: str) -> None:
    answer = api.post(f"/predict?{query}", content=PIXELS[0].tobytes(), headers=RAW)
    assert pointers(answer) == {pointer}


@pytest.mark.usefixtures("model")
def test_no_more_images_are_explained_than_an_answer_should_hold(api: TestClient) -> None:
    many = PIXELS[: MOST_EXPLAINED + 1]
    refused = api.post("/predict?explain=gradient", content=many.tobytes(), headers=RAW)
    assert pointers(refused) == {"#query/explain"}
    assert len(ask(api, many[:-1], "explain=gradient")["predictions"]) == MOST_EXPLAINED


def test_a_file_of_novelty_that_was_damaged_keeps_the_version_from_being_loaded(
    api: TestClient, store: Store, artifacts: Artifacts, usual: novelty.Novelty
) -> None:
    job_id = succeeded(store, artifacts, more_files={"novelty.safetensors": novelty.pack(usual)})
    (path,) = (artifacts.folder / owners.of_job(job_id)).glob("novelty-*")
    path.write_bytes(b"something else")
    answer = api.post("/predict", content=PIXELS[0].tobytes(), headers=RAW)
    assert "damaged" in problem(answer, 500)["detail"]
