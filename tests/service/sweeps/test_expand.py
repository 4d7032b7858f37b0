"""How a sweep expands into the specs of its jobs, and what is said of one that cannot."""

from typing import Any

import pytest

from models.spec import TrainingSpec
from service.errors import Invalid
from service.sweeps.expand import MAX_JOBS, draw, expand
from service.sweeps.presets import REPORT, is_faithful
from service.sweeps.spec import SweepSpec

DATASETS = {"digits", "mnist"}
LOG_RATE: dict[str, Any] = {"learning_rate": {"log_uniform": [0.0001, 1.0]}}


def specs(**fields: Any) -> list[TrainingSpec]:
    return [spec for trial in expand(SweepSpec(**fields), DATASETS) for spec in trial]


def pointers(**fields: Any) -> set[str]:
    with pytest.raises(Invalid) as refused:
        expand(SweepSpec(**fields), DATASETS)
    assert refused.value.detail
    return {fault.pointer for fault in refused.value.faults}


def test_every_combination_of_a_grid_is_a_trial_and_the_last_field_changes_fastest() -> None:
    made = specs(name="x", base={"epochs": 3}, grid={"seed": [1, 2], "hidden_sizes": [[9], [8, 7]]})
    assert [(spec.name, spec.seed, spec.hidden_sizes, spec.epochs) for spec in made] == [
        ("x-1", 1, (9,), 3),
        ("x-2", 1, (8, 7), 3),
        ("x-3", 2, (9,), 3),
        ("x-4", 2, (8, 7), 3),
    ]


def test_seeds_repeat_each_trial_from_its_own_seed_on() -> None:
    made = specs(base={"seed": 5}, trials=[{}, {"seed": 100}], seeds=3)
    assert [spec.seed for spec in made] == [5, 6, 7, 100, 101, 102]
    assert len({spec.model_copy(update={"seed": 0}).model_dump_json() for spec in made}) == 1


SHARED: list[tuple[dict[str, Any], int]] = [
    ({"trials": [{}, {"seed": 100}], "seeds": 3}, 0),
    ({"base": {"seed": 5}, "trials": [{}, {"seed": 100}], "seeds": 3}, 5),
    ({"base": {"seed": 5, "order_seed": 0}, "grid": {"hidden_sizes": [[9], [8, 7]]}}, 0),
    ({"base": {"seed": 5, "order_seed": None}, "grid": {"epochs": [1, 2]}}, 5),
    ({"base": {"order_seed": 9}, "random": {"trials": 4, "ranges": {"seed": {"integer": [0, 99]}}}}, 9),
    ({"tpe": {"trials": 4, "parallel": 2, "ranges": LOG_RATE}}, 0),
    ({"preset": "report", "base": {"seed": 4}, "seeds": 2}, 4),
    ({"preset": "best", "seeds": 2}, 0),
]


@pytest.mark.parametrize(("fields", "order"), SHARED)
def test_all_trials_have_the_order_of_the_base_if_it_is_to_be_shared(fields: dict[str, Any], order: int) -> None:
    alone, together = specs(**fields), specs(**fields, share_order=True)
    assert {spec.order_seed for spec in together} == {order}
    unshared = [spec.model_copy(update={"order_seed": None}).model_dump() for spec in together]
    assert unshared == [spec.model_copy(update={"order_seed": None}).model_dump() for spec in alone]
    if "order_seed" not in fields.get("base", {}):
        assert {spec.order_seed for spec in alone} == {None}


def test_trials_have_names_of_their_own_or_that_of_the_sweep_and_all_its_labels() -> None:
    made = specs(name="mix", labels={"team": "a"}, trials=[{"name": "wide", "hidden_sizes": [400]}, {"epochs": 1}])
    assert [(spec.name, spec.labels) for spec in made] == [("wide", {"team": "a"}), ("mix-2", {"team": "a"})]
    assert [spec.name for spec in specs(trials=[{}])] == [None]


def test_the_ten_trials_of_the_report_are_those_of_the_report() -> None:
    made = specs(preset="report", base={"batch_size": 64})
    assert [spec.name for spec in made] == [f"report-trial-{number}" for number in range(1, 11)]
    assert {(spec.dataset, spec.optimizer, spec.batch_size) for spec in made} == {("mnist", "adam", 64)}
    assert [spec.epochs for spec in made] == [10, 3, 1, 10, 3, 1, 3, 10, 10, 10]
    assert [spec.architecture for spec in made] == ["mlp"] * 6 + ["nmlp"] * 4
    assert [spec.dropout for spec in made[6:]] == [0.5, 0.2, 0.4, 0.6]
    assert [spec.learning_rate for spec in made[6:]] == [0.01, 0.001, 0.0005, 0.0001]
    assert {spec.hidden_sizes for spec in made[:3]} == {(100, 50)}
    assert {spec.hidden_sizes for spec in made[3:]} == {(30, 5)}
    assert all(reported.train_accuracy > reported.val_accuracy for reported in REPORT)


def test_the_best_recipe_is_one_trial_whose_name_is_the_presets() -> None:
    first, second = specs(preset="best", base={"dataset": "digits", "epochs": 2}, seeds=2)
    assert (first.name, first.epochs, first.learning_rate_schedule) == ("best", 2, "one_cycle")
    assert (first.seed, second.seed) == (0, 1)


def test_base_has_the_last_word_over_the_report() -> None:
    assert {
        (spec.dataset, spec.epochs) for spec in specs(preset="report", base={"dataset": "digits", "epochs": 2})
    } == {("digits", 2)}


def test_random_trials_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    ranges: dict[str, Any] = LOG_RATE | {"batch_size": {"integer": [8, 64]}, "dropout": {"uniform": [0.1, 0.4]}}
    ranges |= {"hidden_sizes": {"choice": [[9], [8, 7]]}}
    search = {"trials": 200, "seed": 3, "ranges": ranges}
    made = specs(base={"architecture": "nmlp"}, random=search)
    assert made == specs(base={"architecture": "nmlp"}, random=search | {"ranges": dict(reversed(ranges.items()))})
    assert made[:50] == specs(base={"architecture": "nmlp"}, random=search | {"trials": 50})
    assert made != specs(base={"architecture": "nmlp"}, random=search | {"seed": 4})
    assert {spec.batch_size for spec in made} <= set(range(8, 65))
    assert {min(spec.batch_size for spec in made), max(spec.batch_size for spec in made)} <= {8, 9, 10, 62, 63, 64}
    assert all(0.1 <= spec.dropout <= 0.4 for spec in made)
    assert {spec.hidden_sizes for spec in made} == {(9,), (8, 7)}


def test_a_logarithmic_range_is_drawn_evenly_over_its_orders_of_magnitude() -> None:
    ranges = SweepSpec.model_validate({"random": {"trials": 1, "ranges": LOG_RATE}}).ranges
    assert ranges is not None
    rates = [draw(ranges, 0, number)["learning_rate"] for number in range(4000)]
    for low in (0.0001, 0.001, 0.01, 0.1):
        assert 900 < sum(low <= rate < 10 * low for rate in rates) < 1100


def test_a_sweep_that_learns_begins_with_one_random_wave() -> None:
    search = {"trials": 50, "parallel": 3, "seed": 1, "ranges": LOG_RATE}
    assert specs(tpe=search) == specs(random={"trials": 3, "seed": 1, "ranges": LOG_RATE})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"base": {"epochs": 0}, "trials": [{}]}, "/base/epochs"),
    ({"base": {"epochz": 1}, "trials": [{}]}, "/base/epochz"),
    ({"base": {"name": "x"}, "trials": [{}]}, "/base/name"),
    ({"base": {"labels": {}}, "trials": [{}]}, "/base/labels"),
    ({"base": {"dropout": 0.5}, "trials": [{}]}, "/base/dropout"),
    ({"base": {"dataset": "cifar10"}, "trials": [{}]}, "/base/dataset"),
    ({"base": {"learning_rate": float("nan")}, "trials": [{"learning_rate": 0.1}]}, "/base/learning_rate"),
    ({"base": {"epochs": 1}, "grid": {"epochs": [1, 2]}}, "/base/epochs"),
    ({"grid": {"learning_rate": [0.1, 0.2, -1]}}, "/grid/learning_rate/2"),
    ({"grid": {"learning_rate": [0.1, 0.1]}}, "/grid/learning_rate/1"),
    ({"grid": {"hidden_sizes": [[9], [9, 0]]}}, "/grid/hidden_sizes/1/1"),
    ({"grid": {"name": ["a", "b"]}}, "/grid/name"),
    ({"grid": {"labels": [{}]}}, "/grid/labels"),
    ({"grid": {"a/b": [1]}}, "/grid/a~1b"),
    ({"grid": {"dataset": ["mnist", "cifar10"]}}, "/grid/dataset/1"),
    ({"grid": {"seed": [1, 2]}, "seeds": 2}, "/grid/seed"),
    ({"grid": {"architecture": ["nmlp", "mlp"], "dropout": [0.1, 0.0]}}, "/grid/dropout/0"),
    ({"grid": {"seed": list(range(101)), "epochs": list(range(1, 101))}}, "/grid"),
    ({"trials": [{}, {}], "seeds": 5001}, "/trials"),
    ({"trials": [{}], "base": {"seed": 2**32 - 1}, "seeds": 2}, "/base/seed"),
    ({"trials": [{}, {"epochs": "3"}]}, "/trials/1/epochs"),
    ({"trials": [{}, {"momentum": 0.5}]}, "/trials/1/momentum"),
    ({"trials": [{"name": "a b"}]}, "/trials/0/name"),
    ({"trials": [{"labels": {}}]}, "/trials/0/labels"),
    ({"trials": [{"dataset": "cifar10"}]}, "/trials/0/dataset"),
    ({"random": {"trials": MAX_JOBS, "ranges": LOG_RATE}, "seeds": 2}, "/random"),
    ({"grid": {"\ud800": [1]}}, "/grid/\\ud800"),
    ({"trials": [{"\ud800": 1}]}, "/trials/0/\\ud800"),
    (
        {"random": {"trials": 2, "ranges": {"learning_rate": {"uniform": [1, 11]}}}},
        "/random/ranges/learning_rate/uniform/1",
    ),
    ({"random": {"trials": 2, "ranges": {"batch_size": {"uniform": [1, 9]}}}}, "/random/ranges/batch_size/uniform"),
    ({"random": {"trials": 2, "ranges": {"dropout": {"integer": [0, 1]}}}}, "/random/ranges/dropout/integer"),
    ({"random": {"trials": 2, "ranges": {"hidden_sizes": {"integer": [1, 9]}}}}, "/random/ranges/hidden_sizes/integer"),
    (
        {"random": {"trials": 2, "ranges": {"optimizer": {"choice": ["adam", "x"]}}}},
        "/random/ranges/optimizer/choice/1",
    ),
    ({"random": {"trials": 2, "ranges": {"dropout": {"uniform": [0.1, 0.2]}}}}, "/random/ranges/dropout"),
    ({"random": {"trials": 2, "ranges": {"surprise": {"choice": [1]}}}}, "/random/ranges/surprise"),
    ({"random": {"trials": 2, "ranges": {"seed": {"integer": [0, 9]}}}, "seeds": 2}, "/random/ranges/seed"),
    ({"tpe": {"trials": 2, "ranges": {"dataset": {"choice": ["digits", "x"]}}}}, "/tpe/ranges/dataset/choice/1"),
    ({"preset": "report", "base": {"architecture": "mlp"}}, "/preset"),
    ({"trials": [{"order_seed": -1}]}, "/trials/0/order_seed"),
    ({"trials": [{}, {"order_seed": 0}], "share_order": True}, "/trials/1/order_seed"),
    ({"grid": {"order_seed": [0, 1]}, "share_order": True}, "/grid/order_seed"),
    (
        {"random": {"trials": 2, "ranges": {"order_seed": {"choice": [0, 1]}}}, "share_order": True},
        "/random/ranges/order_seed",
    ),
    ({"tpe": {"trials": 2, "ranges": {"order_seed": {"choice": [0]}}}, "share_order": True}, "/tpe/ranges/order_seed"),
    ({"trials": [{}], "base": {"order_seed": -1}, "share_order": True}, "/base/order_seed"),
    ({"trials": [{}], "base": {"order_seed": 1, "shuffle": False}, "share_order": True}, "/base/order_seed"),
    ({"trials": [{}], "base": {"shuffle": False}, "share_order": True}, "/share_order"),
    ({"grid": {"shuffle": [True, False]}, "share_order": True}, "/share_order"),
    ({"grid": {"shuffle": [True, False], "order_seed": [1]}}, "/grid/order_seed/0"),
]


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"grid": {"order_seed": [0, 1]}}, "leave order_seed to base, or leave share_order out"),
        ({"trials": [{"shuffle": False}]}, "leave share_order out or set shuffle to true (trial 1)"),
    ],
)
def test_a_shared_order_that_cannot_be_is_refused_with_its_remedy(fields: dict[str, Any], remedy: str) -> None:
    with pytest.raises(Invalid) as refused:
        specs(**fields, share_order=True)
    (fault,) = refused.value.faults
    assert fault.detail.endswith(remedy)


@pytest.mark.parametrize(("fields", "pointer"), WRONG)
def test_a_sweep_that_cannot_be_is_refused_with_a_pointer_to_the_field(fields: dict[str, Any], pointer: str) -> None:
    assert pointers(**fields) == {pointer}


def test_no_more_faults_are_named_than_an_answer_holds() -> None:
    assert len(pointers(trials=[{"epochs": 0}] * 1000)) == 10
    assert all(len(pointer) <= 200 for pointer in pointers(base={"x" * 100_000: 1}, trials=[{}]))


@pytest.mark.parametrize(
    ("base", "faithful"),
    [({}, True), ({"batch_size": 64, "seed": 3, "order_seed": 0, "dataset": "mnist"}, True), ({"epochs": 10}, False)],
)
def test_only_a_faithful_repetition_is_compared_with_the_report(base: dict[str, Any], faithful: bool) -> None:
    assert is_faithful(base) is faithful
    assert not is_faithful({**base, "dataset": "digits"})
