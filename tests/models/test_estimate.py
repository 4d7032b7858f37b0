"""What an epoch will take is told from what others took: of a table of specs that were measured, each by the others."""

import json
import math
from dataclasses import astuple
from pathlib import Path

import pytest

from models.estimate import Measured, estimate
from models.spec import TrainingSpec
from models.workload import Data, memory, seconds

MNIST = Data(48_000, 12_000, 784, 10)
TABLE = [
    Measured(seconds(TrainingSpec.model_validate(row["spec"]), Data(*row["data"])), row["seconds"])
    for row in json.loads((Path(__file__).parent / "epochs_measured.json").read_text())
]
"""Seconds of a core that the second epoch of each spec took, on an Intel Xeon with AMX; see bench/estimates.py."""


def off(estimated: float, measured: float) -> float:
    return math.exp(abs(math.log(estimated / measured)))


@pytest.mark.parametrize("slower", [0.2, 1.0, 7.0])
def test_of_ten_specs_nine_take_what_was_estimated_by_the_others_within_a_factor_of_1_5(slower: float) -> None:
    table = [Measured(its.on_paper, its.seconds * slower) for its in TABLE]
    factors = [
        off(estimate(its.on_paper, [*table[:place], *table[place + 1 :]]), its.seconds)
        for place, its in enumerate(table)
    ]
    assert sum(factor <= 1.5 for factor in factors) >= 0.9 * len(factors), factors


def test_by_a_few_of_the_first_jobs_the_others_are_told_as_well() -> None:
    table = [Measured(its.on_paper, its.seconds * 4) for its in TABLE]
    factors = [off(estimate(its.on_paper, table[:3]), its.seconds) for its in table[3:]]
    assert sum(factor <= 1.5 for factor in factors) >= 0.9 * len(factors), factors


def test_one_that_is_equal_counts_for_more_than_all_that_are_not() -> None:
    one = seconds(TrainingSpec(hidden_sizes=(512, 512)), MNIST)
    others = [Measured(seconds(TrainingSpec(hidden_sizes=(30, 5), batch_size=16), MNIST), 0.3)] * 5
    assert off(estimate(one, [Measured(one, 20.0), *others]), 20.0) < 1.5


def test_without_anything_that_was_measured_it_is_told_on_paper() -> None:
    on_paper = seconds(TrainingSpec(), MNIST)
    assert estimate(on_paper, []) == pytest.approx(on_paper.total)


def test_what_is_asked_for_more_takes_longer() -> None:
    less, more = (
        seconds(TrainingSpec.model_validate({"architecture": "nmlp", **fields}), MNIST)
        for fields in (
            {"precision": "bfloat16", "optimizer": "sgd", "batch_size": 256},
            {"shift_pixels": 1, "rotation_degrees": 1.0, "hidden_sizes": [200, 100], "batch_size": 8},
        )
    )
    assert less.gathering == more.gathering
    assert sum(one < other for one, other in zip(astuple(less), astuple(more), strict=True)) == len(astuple(less)) - 1


def test_memory_grows_with_the_network_and_the_batch() -> None:
    small, wide, averaged, long = (
        memory(TrainingSpec.model_validate(fields), MNIST)
        for fields in ({}, {"hidden_sizes": [4096]}, {"ema_decay": 0.9}, {"batch_size": 8192})
    )
    assert small < averaged < long < wide
