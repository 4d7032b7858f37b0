"""Networks of other forms than MNIST's, from their files to all that is measured of them."""

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from models import card, golden, inference, novelty
from models.assessment import Assessment, assess
from models.calibration import entropy
from models.data.plan import Levels, Plan
from models.data.schema import USUAL, Images, Table
from models.ensemble import Ensemble
from models.golden import Golden
from models.saliency import gradient
from models.spec import TrainingSpec
from tests.forms import FACES, LETTERS, SCALED, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored, weights_of
from tests.models.networks import GOOD, random_pixels

FORMS: dict[str, tuple[Images | Table, Plan | None]] = {
    "letters": (LETTERS, None),
    "faces": (FACES, None),
    "scaled": (SCALED, None),
    "wine": (WINE, WINE_PLAN),
    "titanic": (TITANIC, TITANIC_PLAN),
}
every_form = pytest.mark.parametrize("form", FORMS)


def assessed(form: str, count: int = 200) -> tuple[inference.Network, Assessment]:
    network = inference.read(weights_of(*FORMS[form]))
    labels = np.arange(count, dtype=np.int64) % len(network.classes)
    return network, assess(network, stored(network.schema, count), labels)


@every_form
def test_a_file_tells_what_its_network_takes_in_and_which_classes_come_out(form: str) -> None:
    schema, plan = FORMS[form]
    network = inference.read(weights_of(schema, plan))
    assert (network.schema, network.classes) == (schema, schema.classes)
    assert (network.plan and network.plan.columns) == (plan and plan.columns)
    assert network.inputs == (schema.inputs if plan is None else plan.inputs)
    sent = inference.as_sent(stored(schema, 5), schema)
    probabilities = network.probabilities(inference.taken_in(sent, plan))
    assert probabilities.shape == (5, len(schema.classes))
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_file_of_before_is_of_the_usual_form() -> None:
    network = inference.read(GOOD)
    assert network.schema is USUAL
    assert (network.plan, network.inputs, network.classes) == (None, 784, tuple("0123456789"))


def altered(file: bytes, **about: object) -> bytes:
    old = inference.metadata(file)
    return safetensors.numpy.save(safetensors.numpy.load(file), metadata={"tenfold": json.dumps(old | about)})


def told(schema: Images | Table, **changes: object) -> dict[str, object]:
    return {"schema": schema.model_copy(update=changes).model_dump(mode="json")}


LYING: dict[str, tuple[bytes, dict[str, object], str]] = {
    "another size": (weights_of(LETTERS), told(LETTERS, height=9),
                     "72 numbers go in by its schema, and 64 by its weights"),
    "fewer classes": (weights_of(LETTERS), told(SCALED, height=8, width=8),
                      "2 classes come out by its schema, and 26 by its weights"),
    "no plan": (weights_of(WINE, WINE_PLAN), {"plan": None}, "Plan"),
    "a column less": (weights_of(WINE, WINE_PLAN), told(WINE, columns=WINE.columns[1:]),
                      "its plan has 13 columns, and its schema 12"),
    "no schema": (weights_of(WINE, WINE_PLAN), {"schema": {"kind": "sounds"}}, "sounds"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LYING)
def test_a_file_whose_parts_do_not_fit_is_refused(lie: str) -> None:
    file, about, why = LYING[lie]
    with pytest.raises(ValueError, match=f"this is no weights file of a trained network: (.|\n)*{why}"):
        inference.read(altered(file, **about))


def test_what_is_stored_is_told_on_the_scale_that_it_came_on() -> None:
    values = np.array([[0, 4, 16]], np.uint8)
    whole = inference.as_sent(values, LETTERS)
    assert whole is values, "whole numbers from 0 are sent as bytes"
    assert inference.as_sent(np.array([0, 51, 255], np.uint8), SCALED).tolist() == pytest.approx([0.0, 0.2, 1.0])
    turned = Images(scale=(-1.0, 1.0), steps=2, classes=("a", "b"))
    assert inference.as_sent(np.array([0, 1, 2], np.uint8), turned).tolist() == [-1.0, 0.0, 1.0]


@every_form
def test_an_ensemble_gives_the_mean_probability(form: str) -> None:
    networks = [inference.read(weights_of(*FORMS[form], seed=seed, hidden=4 + seed // 2)) for seed in range(3)]
    both, schema, plan = Ensemble(networks), *FORMS[form]
    assert both.schema == schema
    x = inference.taken_in(inference.as_sent(stored(schema, 7), schema), plan)
    mean = np.mean([network.probabilities(x) for network in networks], axis=0)
    np.testing.assert_allclose(both.probabilities(x), mean, atol=1e-6)
    np.testing.assert_allclose(inference.softmax(both.logits(x)), mean, atol=1e-6)


def test_networks_that_take_in_different_things_make_no_ensemble() -> None:
    other = WINE_PLAN.model_copy(update={"columns": (*WINE_PLAN.columns[1:], WINE_PLAN.columns[0])})
    for pair in ([weights_of(LETTERS), weights_of(SCALED)], [weights_of(WINE, WINE_PLAN), weights_of(WINE, other)]):
        with pytest.raises(ValueError, match="take in the same, in the same way"):
            Ensemble([inference.read(file) for file in pair])


@every_form
def test_a_network_of_any_form_is_assessed(form: str) -> None:
    network, found = assessed(form)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert [scores["name"] for scores in told["classes"]] == list(network.classes)
    assert np.sum(told["confusion"]) == 200
    recalls = [scores["recall"] for scores in told["classes"]]
    assert told["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert told["macro_f1"] == pytest.approx(np.mean([scores["f1"] for scores in told["classes"]]))


def test_classes_without_examples_count_in_no_mean() -> None:
    network = inference.read(weights_of(LETTERS))
    found = assess(network, stored(LETTERS, 40), np.arange(40, dtype=np.int64) % 2)
    assert found.balanced_accuracy == pytest.approx(np.mean([its.recall for its in found.classes[:2]]))


@every_form
def test_golden_examples_are_what_clients_send_and_answer_the_same(form: str) -> None:
    network, found = assessed(form)
    again = golden.unpack(golden.pack(found.golden))
    golden.replay(network, again)
    schema = network.schema
    expected = np.float64 if isinstance(schema, Table) else np.uint8 if form == "letters" else np.float32
    assert again.values.dtype == expected
    np.testing.assert_array_equal(again.values, found.golden.values)


def test_golden_rows_show_that_rows_are_prepared_otherwise() -> None:
    network, found = assessed("titanic")
    columns = list(TITANIC_PLAN.columns)
    columns[1] = Levels(usual=1, kept=(1, 0))
    with pytest.raises(ValueError, match="no longer answers as it did"):
        golden.replay(replace(network, plan=Plan(columns=tuple(columns))), found.golden)


def test_golden_examples_of_another_form_are_refused() -> None:
    network, found = assessed("letters")
    for other in (
        Golden(random_pixels(16), found.golden.logits),
        Golden(found.golden.values, found.golden.logits[:, :9].copy()),
    ):
        with pytest.raises(ValueError, match="its golden examples are of another form"):
            golden.replay(network, other)


@every_form
def test_what_is_unlike_the_examples_is_new_and_they_are_not(form: str) -> None:
    network, found = assessed(form)
    usual = novelty.unpack(novelty.pack(found.novelty))
    some = inference.taken_in(inference.as_sent(stored(network.schema, 60, seed=1), network.schema), network.plan)
    x = some.astype(np.float32).reshape(60, -1)
    sure = np.zeros(60)
    assert np.median(usual.share(x, sure)) > 0.05
    assert np.median(usual.share(x * 9 + 4 * np.ptp(x), sure)) < 0.02


def test_large_pictures_are_looked_at_without_their_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    values = stored(LETTERS, 400)
    with_it = novelty.learn_looks(values, LETTERS)
    monkeypatch.setattr(novelty, "_LARGEST_COVARIANCE", 8)
    without = novelty.learn_looks(values, LETTERS)
    assert without.precision == pytest.approx(with_it.precision, rel=1e-3)
    np.testing.assert_allclose(without.distances, with_it.distances, rtol=1e-3)
    monkeypatch.setattr(novelty, "_MOST_BYTES", 4 * LETTERS.inputs * 50)  # a part at a time, and fewer to learn from
    assert novelty.learn_looks(values, LETTERS).distances.shape == with_it.distances.shape


def test_pixels_that_speak_for_a_class_have_the_form_of_the_picture() -> None:
    network = inference.read(weights_of(FACES))
    assert gradient(network, stored(FACES, 3), np.array([0, 1, 0])).shape == (3, 6, 5, 3)
    with pytest.raises(ValueError, match="a class from 0 to 1 is needed"):
        gradient(network, stored(FACES, 1), np.array([2]))
    with pytest.raises(ValueError, match="this network takes rows of a table"):
        gradient(inference.read(weights_of(WINE, WINE_PLAN)), np.zeros((1, 13), np.float32), np.array([0]))


def card_of(form: str, **about: Any) -> tuple[dict[str, Any], str]:
    network, found = assessed(form)
    data = card.DataDescription("mine/3", 160, 40, "d" * 64, network.schema, **about)
    written = card.write(
        TrainingSpec(name="mine"), data, found, accuracies={"validation": found.accuracy}, epoch=4,
        weights_sha256="e" * 64, parameters=1234, made_with={"torch": "2"},
    )  # fmt: skip
    told = json.loads(json.dumps(written, allow_nan=False))
    return told, card.markdown(told)


def test_the_card_of_a_table_says_nothing_of_pixels_and_names_the_classes() -> None:
    warning = {"kind": "duplicates", "detail": "40 rows are there twice", "examples": []}
    told, page = card_of("wine", warnings=(warning,))
    text = json.dumps(told["use"]) + page
    for word in ("pixel", "image", "28", "handwriting", "ten classes"):
        assert word not in re.sub(r"[0-9a-f]{64}|https?://\S+|\d+\.\d+|\d{3,}", "", text), word
    assert "It takes rows of a table, with numbers in alcohol, malic_acid" in text
    assert "its 3 classes" in text
    assert "Grignolino" in page
    assert "- 40 rows are there twice" in page
    assert "macro F1" in page


def test_the_card_of_many_classes_shows_the_pairs_that_are_mistaken_most() -> None:
    assert "True classes are rows" in card_of("letters")[1]
    many = LETTERS.model_copy(update={"classes": tuple(f"class {number:02}" for number in range(40))})
    network = inference.read(weights_of(many))
    found = assess(network, stored(many, 400), np.arange(400, dtype=np.int64) % 40)
    data = card.DataDescription("mine/3", 160, 40, "d" * 64, many)
    page = card.markdown(card.write_ensemble("mine", [], data, found))
    assert "Of 40 classes, the pairs that were mistaken most" in page
    assert "8 x 8 pixels" in page


def test_a_card_of_before_is_still_shown() -> None:
    told, _ = card_of("letters")
    found = told["assessment"]
    for scores in found["classes"]:
        del scores["name"]
    del found["macro_f1"], found["balanced_accuracy"], told["data"]["schema"]
    page = card.markdown(told)
    assert "Each class counted alike" not in page
    assert "| 25 |" in page


def test_no_idea_is_the_logarithm_of_the_number_of_classes() -> None:
    assert entropy(np.full((1, 26), 1 / 26)).tolist() == pytest.approx([math.log(26)])
