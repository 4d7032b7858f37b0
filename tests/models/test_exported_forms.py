"""Exports of networks of any form: what clients have goes in, what the service says comes out."""

import io
import json
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibration import softmax
from models.data.plan import Levels, Number, Plan
from models.data.schema import Column, Images, Table
from models.data.schema import read as schema_of
from models.export.forms import feeds, inputs_of
from models.export.onnx_file import to_onnx
from models.export.program import to_pt2
from models.inference import as_sent, read, taken_in
from models.predict_onnx import OnnxNetwork
from service.predict.inputs.rows import Records
from service.predict.requests import Asked
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

TEMPERATURE = 1.7
FORMS = [(LETTERS, None), (GARMENTS, None), (FACES, None), (SCALED, None), (WINE, WINE_PLAN), (TITANIC, TITANIC_PLAN)]
TIMES = Table(columns=(Column(name="at", type="number"),), classes=("before", "after"))
TIMES_PLAN = Plan(columns=(Number(median=1.7e9, mean=1.7e9, deviation=5.0),))

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@st.composite
def columns(draw: st.DrawFn, name: str) -> tuple[Column, Number | Levels]:
    kind = draw(st.sampled_from(["number", "category", "boolean"]))
    missing, indicator = draw(st.booleans()), draw(st.booleans())
    if kind == "number":
        median, mean = draw(st.floats(-1e9, 1e9)), draw(st.floats(-1e9, 1e9))
        number = Number(median=median, mean=mean, deviation=draw(st.floats(1e-3, 1e9)), indicator=indicator)
        return Column(name=name, type="number", missing=missing), number
    if kind == "boolean":
        pair = draw(st.sampled_from([("False", "True"), ("no", "yes"), ("0", "1"), ("ja", "nein"), ("true", "false")]))
        return Column(name=name, type="boolean", levels=pair, missing=missing), Levels(
            usual=draw(st.integers(0, 1)), kept=(1,), indicator=indicator
        )
    levels = tuple(draw(st.lists(texts, min_size=1, max_size=5, unique=True)))
    places = st.integers(0, len(levels) - 1)
    kept = tuple(sorted(draw(st.sets(places))))
    plan = Levels(usual=draw(places), kept=kept, other=draw(st.booleans()) or not kept, indicator=indicator)
    return Column(name=name, type="category", levels=levels, missing=missing), plan


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, Plan]:
    names = draw(
        st.lists(texts | st.sampled_from(["label", "label_", "logits", "rows"]), min_size=1, max_size=6, unique=True)
    )
    both = [draw(columns(name)) for name in names]
    schema = Table(
        columns=tuple(column for column, _ in both),
        missing=draw(st.sampled_from(["impute", "refuse"])),
        unknown=draw(st.sampled_from(["other", "refuse"])),
        classes=tuple(draw(st.lists(texts, min_size=2, max_size=47, unique=True))),
    )
    return schema, Plan(columns=tuple(planned for _, planned in both))


def rows_of(schema: Table, plan: Plan, count: int = 40) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    rows = np.empty((count, len(schema.columns)))
    for place, (column, planned) in enumerate(zip(schema.columns, plan.columns, strict=True)):
        if isinstance(planned, Number):
            rows[:, place] = planned.mean + planned.deviation * random.normal(size=count)
        else:
            rows[:, place] = random.integers(-1, len(column.levels), count)
    rows[random.random(rows.shape) < 0.2] = np.nan
    return rows


def refused(schema: Table, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    are_levels = [column.type != "number" for column in schema.columns]
    found = np.zeros(len(rows), bool)
    if schema.missing == "refuse":
        found |= np.isnan(rows).any(axis=1)
    if schema.unknown == "refuse":
        found |= (rows[:, are_levels] == -1).any(axis=1)
    return found


def assert_answers(found: Any, expected: NDArray[np.float32], classes: tuple[str, ...], is_refused: Any) -> None:
    logits, probabilities = (np.asarray(its) for its in found[:2])
    assert np.isnan(logits[is_refused]).all()
    assert np.isnan(probabilities[is_refused]).all()
    most = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(logits[~is_refused], expected[~is_refused], rtol=0, atol=1e-5 * most)
    surely = softmax(expected, TEMPERATURE)
    np.testing.assert_allclose(probabilities[~is_refused], surely[~is_refused], rtol=0, atol=1e-5 * most)
    if len(found) == 3:
        named = [classes[place] for place in probabilities[~is_refused].argmax(axis=1)]
        assert found[2][~is_refused].tolist() == named
        assert set(found[2][is_refused]) <= {""}


@settings(max_examples=20)
@example((TIMES, TIMES_PLAN))
@example((STRICT, TITANIC_PLAN))
@given(tables())
def test_an_onnx_file_of_any_table_gives_what_we_give(both: tuple[Table, Plan]) -> None:
    schema, plan = both
    weights = weights_of(schema, plan)
    network, rows = OnnxNetwork(to_onnx(weights, TEMPERATURE)), rows_of(schema, plan)
    assert (network.schema, network.plan) == (schema, plan)
    for some in (rows, rows[:1], rows[:0]):
        expected = read(weights).logits(plan.apply(some))
        assert_answers(network.predict(feeds(some, schema)), expected, schema.classes, refused(schema, some))


@pytest.mark.parametrize(("schema", "plan"), [(STRICT, TITANIC_PLAN), (TIMES, TIMES_PLAN), (WINE, WINE_PLAN)])
def test_an_exported_program_of_a_table_gives_what_we_give(schema: Table, plan: Plan) -> None:
    weights = weights_of(schema, plan)
    extra = {"schema": "", "classes": "", "temperature": ""}
    program = torch.export.load(io.BytesIO(to_pt2(weights, TEMPERATURE)), extra_files=extra).module()
    for some in (rows_of(schema, plan), rows_of(schema, plan, 1), rows_of(schema, plan)[:0]):
        expected = read(weights).logits(plan.apply(some))
        assert_answers(program(torch.from_numpy(some)), expected, schema.classes, refused(schema, some))
    assert schema_of(json.loads(extra["schema"])) == schema
    assert tuple(json.loads(extra["classes"])) == schema.classes
    assert float(extra["temperature"]) == TEMPERATURE


@pytest.mark.parametrize("schema", [LETTERS, GARMENTS, FACES, SCALED])
def test_pictures_of_any_form_are_taken_on_their_scale(schema: Images) -> None:
    weights, sent = weights_of(schema), as_sent(stored(schema, 9), schema)
    network = OnnxNetwork(to_onnx(weights, TEMPERATURE))
    pixels = feeds(sent, schema)["pixels"]
    assert pixels.dtype == (np.uint8 if schema is GARMENTS else np.float32)
    expected, nothing = read(weights).logits(sent), np.zeros(9, bool)
    assert_answers(network.predict({"pixels": pixels}), expected, schema.classes, nothing)
    if schema in (LETTERS, FACES):  # others are written the same way, and this takes its time
        program = torch.export.load(io.BytesIO(to_pt2(weights, TEMPERATURE))).module()
        assert_answers(program(torch.from_numpy(pixels)), expected, schema.classes, nothing)


@pytest.mark.parametrize("wrong", [17.0, -0.5, np.nan, np.inf])
def test_a_picture_off_its_scale_is_answered_with_no_number_and_no_name(wrong: float) -> None:
    pixels = as_sent(stored(LETTERS, 3), LETTERS).astype(np.float32)
    pixels[1, 2, 2] = wrong
    found = OnnxNetwork(to_onnx(weights_of(LETTERS))).predict({"pixels": pixels})
    assert np.isnan(found.probabilities).any(axis=1).tolist() == [False, True, False]
    assert [label == "" for label in found.labels] == [False, True, False]


@pytest.mark.parametrize("age", [np.inf, -1e300])
def test_a_number_too_far_from_all_is_answered_with_no_number_and_no_name(age: float) -> None:
    rows = np.array([[0.0, 1.0, age, 1.0], [0.0, 1.0, 30.0, 1.0]])
    weights = weights_of(TITANIC, TITANIC_PLAN)
    found = OnnxNetwork(to_onnx(weights)).predict(feeds(rows, TITANIC))
    assert [label == "" for label in found.labels] == [True, False]
    program = torch.export.load(io.BytesIO(to_pt2(weights))).module()
    assert program(torch.from_numpy(rows))[0].isnan().any(1).tolist() == [True, False]


@pytest.mark.parametrize("schema", [TITANIC, STRICT])
def test_levels_are_read_as_the_service_reads_them(schema: Table) -> None:
    """Each text alone: what is refused there is no number here, and all else is answered alike."""
    weights = weights_of(schema, TITANIC_PLAN)
    network, records = OnnxNetwork(to_onnx(weights)), Records(schema, TITANIC_PLAN, "it")
    texts = [
        "1",
        "1.0",
        "3",
        "4",
        "",
        "NA",
        "nan",
        "NaN",
        "?",
        "male",
        "Male",
        "yes",
        "YES",
        "True",
        "no",
        "f",
        "other",
    ]
    for column in ("Pclass", "Sex", "alone"):
        for text in texts:
            row = {"Pclass": "2", "Sex": "female", "Age": 30.5, "alone": "no"} | {column: text}
            given = {name: np.array([[value]], np.float64 if name == "Age" else object) for name, value in row.items()}
            found = network.predict(given)
            try:
                rows = records.take(Asked("row", row)).rows
            except Exception:  # noqa: BLE001 - which one it is, is told elsewhere
                assert np.isnan(found.logits).all(), (column, text)
                assert found.labels.tolist() == [""]
            else:
                expected = read(weights).logits(TITANIC_PLAN.apply(rows))
                np.testing.assert_allclose(found.logits, expected, rtol=0, atol=1e-5, err_msg=f"{column}={text}")


def test_a_table_is_asked_column_by_column_by_their_names() -> None:
    model = onnx.load_from_string(to_onnx(weights_of(TITANIC, TITANIC_PLAN), TEMPERATURE))
    kinds = {its.name: its.type.tensor_type.elem_type for its in model.graph.input}
    text = onnx.TensorProto.STRING
    assert kinds == {"Pclass": text, "Sex": text, "Age": onnx.TensorProto.DOUBLE, "alone": text}
    told = {its.key: its.value for its in model.metadata_props}
    assert json.loads(told["classes"]) == ["0", "1"]
    assert json.loads(told["inputs"]) == {name: name for name in kinds}
    assert float(told["temperature"]) == TEMPERATURE
    assert "empty label" in told["refused"]


def test_a_column_that_is_called_as_an_output_has_an_input_of_another_name() -> None:
    names = ("label", "label_", "logits", "linear1", "rows")
    schema = Table(columns=tuple(Column(name=name, type="number") for name in names), classes=("a", "b"))
    assert inputs_of(schema) == {
        "label": "label__", "label_": "label_", "logits": "logits_", "linear1": "linear1", "rows": "rows",
    }  # fmt: skip
    plan = Plan(columns=(Number(median=0, mean=0, deviation=1),) * 5)
    assert len(OnnxNetwork(to_onnx(weights_of(schema, plan))).predict(feeds(np.ones((2, 5)), schema)).labels) == 2


@pytest.mark.parametrize(("schema", "plan"), FORMS)
def test_equal_weights_of_any_form_are_equal_onnx_bytes(schema: Images | Table, plan: Plan | None) -> None:
    weights = weights_of(schema, plan)
    assert len({to_onnx(weights) for _ in range(3)}) == 1
    assert len(taken_in(stored(schema, 2), plan)) == 2
