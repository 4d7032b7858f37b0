import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.networks import build, count_parameters
from models.size import MAX_PARAMETERS, parameter_count
from models.spec import TrainingSpec

# Fields that belong to one architecture or optimiser, with what they need beside them.
COMPANIONS: dict[str, dict[str, Any]] = {"dropout": {"architecture": "nmlp"}, "momentum": {"optimizer": "sgd"}}

INTEGER_BOUNDS: dict[str, tuple[int, int]] = {
    "split_seed": (0, 2**32 - 1),
    "batch_size": (1, 8192),
    "epochs": (1, 1000),
    "seed": (0, 2**32 - 1),
    "order_seed": (0, 2**32 - 1),
    "early_stopping_patience": (1, 1000),
    "priority": (-100, 100),
}

INSIDE: list[tuple[str, Any]] = [
    *((field, bound) for field, bounds in INTEGER_BOUNDS.items() for bound in bounds),
    ("early_stopping_patience", None),
    ("order_seed", None),
    ("dropout", 0.0),
    ("dropout", 0.999),
    ("dropout", 0),
    ("validation_fraction", 0.01),
    ("validation_fraction", 0.9),
    ("learning_rate", 5e-324),
    ("learning_rate", 10.0),
    ("learning_rate", 1),
    ("momentum", 0.0),
    ("momentum", 0.999),
    ("weight_decay", 0.0),
    ("weight_decay", 1.0),
    ("hidden_sizes", (1,)),
    ("hidden_sizes", (4096,)),
    ("hidden_sizes", (1,) * 8),
    ("architecture", "mlp"),
    ("architecture", "nmlp"),
    ("optimizer", "adam"),
    ("optimizer", "adamw"),
    ("optimizer", "sgd"),
    ("shuffle", False),
    ("name", None),
    ("name", "a"),
    ("name", "Trial-1.b_c"),
    ("name", "7" * 128),
    ("dataset", "my-data.v2"),
    ("dataset", "letters/3"),
    ("dataset", "7" * 128),
    ("dataset", "7" * 128 + "/999999999"),
    ("model", "7" * 128),
    ("labels", {f"key{number}": "" for number in range(16)}),
    ("labels", {"team": "Computer vision_2.0-b"}),
    ("labels", {"k" * 128: "v" * 128}),
]

OUTSIDE: list[tuple[str, Any]] = [
    *((field, bounds[0] - 1) for field, bounds in INTEGER_BOUNDS.items()),
    *((field, bounds[1] + 1) for field, bounds in INTEGER_BOUNDS.items()),
    ("dropout", -0.001),
    ("dropout", 1.0),
    ("validation_fraction", 0.0099),
    ("validation_fraction", 0.901),
    ("learning_rate", 0.0),
    ("learning_rate", -0.1),
    ("learning_rate", 10.001),
    ("momentum", -0.001),
    ("momentum", 1.0),
    ("weight_decay", -0.001),
    ("weight_decay", 1.001),
    ("hidden_sizes", ()),
    ("hidden_sizes", (1,) * 9),
    ("hidden_sizes", (0,)),
    ("hidden_sizes", (100, -1)),
    ("hidden_sizes", (4097,)),
    ("architecture", "cnn"),
    ("architecture", "MLP"),
    ("optimizer", "rmsprop"),
    ("name", ""),
    ("name", "7" * 129),
    ("name", ".hidden"),
    ("name", "-flag"),
    ("name", "two words"),
    ("name", "../escape"),
    ("name", "é"),
    ("name", "trailing\n"),
    ("dataset", ""),
    ("dataset", "a/b"),
    ("dataset", "a/0"),
    ("dataset", "7" * 129),
    ("model", ""),
    ("model", None),
    ("model", "letters/3"),
    ("dataset", None),
    ("labels", {f"key{number}": "" for number in range(17)}),
    ("labels", {"": "empty key"}),
    ("labels", {"two words": "key"}),
    ("labels", {"k" * 129: "v"}),
    ("labels", {"k": "v" * 129}),
    ("labels", {"k": "line\nbreak"}),
    ("labels", {"k": "é"}),
]

FLOATS = ["dropout", "validation_fraction", "learning_rate", "momentum", "weight_decay"]

WRONG_TYPES: list[tuple[str, Any]] = [
    *((field, value) for field in INTEGER_BOUNDS for value in (True, "5", 5.0, [5])),
    *((field, value) for field in FLOATS for value in (True, "0.5", [0.5], None)),
    *((field, value) for field in FLOATS for value in (float("nan"), float("inf"), float("-inf"))),
    ("hidden_sizes", (True,)),
    ("hidden_sizes", ("5",)),
    ("hidden_sizes", (5.0,)),
    ("hidden_sizes", "55"),
    ("hidden_sizes", 5),
    ("hidden_sizes", None),
    ("shuffle", 1),
    ("shuffle", "true"),
    ("name", 5),
    ("labels", {"k": 1}),
    ("labels", [("k", "v")]),
    ("labels", None),
]


def spec_with(field: str, value: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({**COMPANIONS.get(field, {}), field: value})


hidden_sizes = st.lists(st.integers(1, 300), min_size=1, max_size=8).map(tuple)


@st.composite
def specs(draw: st.DrawFn) -> TrainingSpec:
    architecture, optimizer = draw(st.sampled_from(["mlp", "nmlp"])), draw(st.sampled_from(["adam", "adamw", "sgd"]))
    shuffle = draw(st.booleans())
    return TrainingSpec.model_validate(
        {
            "name": draw(st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)),
            "labels": draw(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.just("v 1"), max_size=16)),
            "architecture": architecture,
            "hidden_sizes": draw(hidden_sizes),
            "dropout": draw(st.floats(0.0, 1.0, exclude_max=True)) if architecture == "nmlp" else 0.0,
            "validation_fraction": draw(st.floats(0.01, 0.9)),
            "split_seed": draw(st.integers(0, 2**32 - 1)),
            "optimizer": optimizer,
            "learning_rate": draw(st.floats(0.0, 10.0, exclude_min=True)),
            "momentum": draw(st.floats(0.0, 1.0, exclude_max=True)) if optimizer == "sgd" else 0.0,
            "weight_decay": draw(st.floats(0.0, 1.0)),
            "batch_size": draw(st.integers(1, 8192)),
            "epochs": draw(st.integers(1, 1000)),
            "shuffle": shuffle,
            "seed": draw(st.integers(0, 2**32 - 1)),
            "order_seed": draw(st.none() | st.integers(0, 2**32 - 1)) if shuffle else None,
            "early_stopping_patience": draw(st.none() | st.integers(1, 1000)),
        }
    )


def test_an_empty_request_asks_for_a_small_mlp_on_mnist() -> None:
    assert TrainingSpec().model_dump() == {
        "name": None,
        "labels": {},
        "webhook": None,
        "priority": 0,
        "dataset": "mnist",
        "model": "mnist",
        "promote": "if_better",
        "promote_margin": 0.0,
        "promote_min_value": None,
        "promote_worst_class_drop": None,
        "evaluate_on": None,
        "architecture": "mlp",
        "hidden_sizes": (100, 50),
        "dropout": 0.0,
        "validation_fraction": 0.2,
        "split_seed": 42,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "learning_rate_schedule": "constant",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "shift_pixels": 0,
        "rotation_degrees": 0.0,
        "ema_decay": 0.0,
        "batch_size": 128,
        "epochs": 10,
        "precision": "float32",
        "shuffle": True,
        "seed": 0,
        "order_seed": None,
        "early_stopping_patience": None,
        "class_weights": "none",
        "stratify": None,
        "metric": "accuracy",
        "max_seconds": None,
    }


@pytest.mark.parametrize(("dataset", "model"), [("letters", "letters"), ("letters/3", "letters"), ("m/12", "m")])
def test_a_model_is_called_as_its_data_where_nobody_names_it(dataset: str, model: str) -> None:
    spec = TrainingSpec(dataset=dataset)
    assert (spec.model, "model" in spec.model_fields_set) == (model, False)
    assert TrainingSpec(dataset=dataset, model="mine").model == "mine"
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec, "it is on record by name"


def test_what_was_on_record_before_means_what_it_meant() -> None:
    spec = TrainingSpec.model_validate({"dataset": "digits", "model": "default", "promote": "always"})
    assert (spec.model, spec.promote) == ("default", "always")
    assert spec.digest == TrainingSpec(dataset="digits").digest, "neither changes what is trained"


@pytest.mark.parametrize(("field", "value"), INSIDE)
def test_a_value_on_its_bound_is_accepted_as_it_is(field: str, value: Any) -> None:
    assert getattr(spec_with(field, value), field) == value


@pytest.mark.parametrize(("field", "value"), [*OUTSIDE, *WRONG_TYPES])
def test_a_bad_value_is_refused_and_its_field_named(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        spec_with(field, value)
    assert {error["loc"][0] for error in refusal.value.errors()} == {field}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_json_cannot_smuggle_in_a_learning_rate_that_is_not_finite(number: str) -> None:
    with pytest.raises(ValidationError, match="learning_rate"):
        TrainingSpec.model_validate_json(f'{{"learning_rate": {number}}}')


@pytest.mark.parametrize("field", ["lr", "Epochs", "hidden_size", "parameters"])
def test_an_unknown_field_is_refused_and_named(field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TrainingSpec.model_validate({field: 1})
    assert [(error["type"], error["loc"]) for error in refusal.value.errors()] == [("extra_forbidden", (field,))]


@pytest.mark.parametrize("field", list(TrainingSpec.model_fields))
def test_a_spec_cannot_be_changed(field: str) -> None:
    spec = TrainingSpec()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec, field, getattr(spec, field))


def test_dropout_is_refused_for_an_mlp() -> None:
    with pytest.raises(ValidationError, match='dropout belongs to the architecture "nmlp"; leave it out or set'):
        TrainingSpec(architecture="mlp", dropout=0.5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_momentum_is_refused_for_optimisers_that_have_their_own(optimizer: str) -> None:
    with pytest.raises(ValidationError, match='momentum belongs to the optimizer "sgd"; leave it out or set'):
        TrainingSpec.model_validate({"optimizer": optimizer, "momentum": 0.9})


def test_an_order_that_nothing_is_drawn_for_is_refused() -> None:
    with pytest.raises(ValidationError, match="leave order_seed out or set shuffle to true") as refusal:
        TrainingSpec(shuffle=False, order_seed=0)
    assert [error["loc"] for error in refusal.value.errors()] == [("order_seed",)]
    assert TrainingSpec(shuffle=False, order_seed=None).order_seed is None


def test_a_priority_changes_nothing_that_is_trained() -> None:
    first, last = TrainingSpec(priority=100), TrainingSpec(priority=-100)
    assert (first.digest, first.shape) == (last.digest, last.shape) == (TrainingSpec().digest, TrainingSpec().shape)


def test_an_order_changes_the_digest_only_where_it_is_another_than_that_of_the_seed() -> None:
    # As it was before there was such a field.
    before = "22daa17e3c7b926d612fca7452a753ab450cf908e5f89506d7e9561eced8dc9e"
    assert TrainingSpec(seed=3).digest == before
    assert TrainingSpec(seed=3, order_seed=3).digest == before, "they end with the same bits"
    assert len({TrainingSpec(seed=3, order_seed=order).digest for order in (0, 1, 2, None)}) == 4


@pytest.mark.parametrize("order_seed", [None, 0, 7])
def test_the_order_does_not_say_who_is_trained_together(order_seed: int | None) -> None:
    assert TrainingSpec(order_seed=order_seed).shape == TrainingSpec().shape


def test_a_network_of_too_many_parameters_is_refused_with_their_number() -> None:
    sentence = (
        r"hidden_sizes \[4096, 4096, 4096, 4096, 4096, 4096, 4096, 4096\] make a network of at least 117,485,570 "
        r"parameters, more than the 10,000,000 allowed; use fewer or smaller layers"
    )
    with pytest.raises(ValidationError, match=sentence):
        TrainingSpec(hidden_sizes=(4096,) * 8)


@pytest.mark.parametrize("architecture", ["mlp", "nmlp"])
def test_a_network_of_up_to_ten_million_parameters_is_accepted_and_not_one_unit_more(architecture: str) -> None:
    accepted, refused = (
        {"architecture": architecture, "hidden_sizes": (widest, 3000)}
        for widest in {"mlp": (3328, 3329), "nmlp": (3323, 3324)}[architecture]
    )
    spec = TrainingSpec.model_validate(accepted)
    least = spec.parameters_for(1, 2)
    assert least <= MAX_PARAMETERS < least + 3004
    with pytest.raises(ValidationError, match="parameters, more than the 10,000,000 allowed"):
        TrainingSpec.model_validate(refused)


def test_parameters_are_counted_without_a_network_of_that_size() -> None:
    width = 10**12
    count = partial(parameter_count, inputs=784, classes=10)
    assert count("mlp", (width,)) == 784 * width + width + 10 * width + 10
    assert count("nmlp", (width,)) == 784 * width + width + 2 * width + 10 * width + 10


@settings(max_examples=50)
@given(
    architecture=st.sampled_from(["mlp", "nmlp"]),
    sizes=hidden_sizes,
    inputs=st.integers(1, 900),
    classes=st.integers(2, 30),
)
def test_parameters_counted_on_paper_are_those_of_the_network(
    architecture: str, sizes: tuple[int, ...], inputs: int, classes: int
) -> None:
    spec = TrainingSpec.model_validate({"architecture": architecture, "hidden_sizes": sizes})
    network = build(spec, seed=0, inputs=inputs, classes=classes)
    assert spec.parameters_for(inputs, classes) == count_parameters(network)
    assert spec.parameters == spec.parameters_for(784, 10)


@settings(max_examples=50)
@given(spec=specs())
def test_a_spec_survives_the_way_through_json(spec: TrainingSpec) -> None:
    assert TrainingSpec.model_validate_json(spec.model_dump_json()) == spec
    assert TrainingSpec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json")))) == spec


@pytest.mark.parametrize("field", list(TrainingSpec.model_fields))
def test_every_field_has_a_description_and_a_valid_example(field: str) -> None:
    described = TrainingSpec.model_json_schema()["properties"][field]
    assert described["description"].endswith((".", ")."))
    for example in described["examples"]:
        spec_with(field, example)


def test_the_example_of_the_whole_spec_is_valid() -> None:
    for example in TrainingSpec.model_json_schema()["examples"]:
        TrainingSpec.model_validate(example)
