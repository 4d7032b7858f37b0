import pytest

from models import tuning


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [({1: 1.0}, 1), ({1: 1.0, 2: 0.97, 4: 0.96}, 1), ({1: 1.0, 2: 0.8, 4: 0.77, 8: 0.9}, 2), ({1: 1.0, 8: 0.5}, 8)],
)
def test_the_smallest_group_that_is_nearly_the_best_is_chosen(seconds: dict[int, float], chosen: int) -> None:
    assert tuning.choose(seconds) == chosen


def test_every_group_size_is_measured_by_training() -> None:
    seconds = tuning.measure((1, 3), repetitions=1)
    assert set(seconds) == {1, 3}
    assert all(cost > 0 for cost in seconds.values())
