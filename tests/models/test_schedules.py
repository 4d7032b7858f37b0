from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from models.schedules import learning_rate
from models.spec import TrainingSpec


def by_torch(schedule: str, peak: float, iterations: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    scheduler: LRScheduler = (
        OneCycleLR(optimizer, peak, total_steps=iterations, cycle_momentum=False)
        if schedule == "one_cycle"
        else CosineAnnealingLR(optimizer, iterations)
    )
    rates = []
    for _ in range(iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("iterations", [10, 375, 1000])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_learning_rates_are_those_of_torch(schedule: Any, iterations: int) -> None:
    spec = TrainingSpec(learning_rate_schedule=schedule, learning_rate=0.02)
    ours = [learning_rate(spec, iteration, iterations) for iteration in range(iterations)]
    assert ours == pytest.approx(by_torch(schedule, 0.02, iterations), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("iterations", [1, 2, 3, 4])
def test_a_run_of_few_batches_has_a_learning_rate_too(schedule: Any, iterations: int) -> None:
    spec = TrainingSpec(learning_rate_schedule=schedule, learning_rate=0.02)
    assert all(0 < learning_rate(spec, iteration, iterations) <= 0.02 for iteration in range(iterations))
