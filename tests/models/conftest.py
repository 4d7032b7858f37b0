"""What the tests of the mathematics share: one thread, one split of the digits, and a processor left as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from models.data.examples import Examples
from models.data.load import load_builtin
from models.data.split import Split, divide

# Busy machines make any time limit a matter of luck.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _denormals_kept() -> Iterator[None]:
    """Training flushes denormals for its whole thread, in whichever test; hypothesis draws no floats from then on."""
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def digits() -> Examples:
    return load_builtin("digits", Path("unused"))


@pytest.fixture(scope="session")
def digits_split(digits: Examples) -> Split:
    """1,437 examples to learn from, 360 to validate with."""
    return divide(digits, validation_fraction=0.2, split_seed=42)


@pytest.fixture(scope="session")
def small_split(digits: Examples) -> Split:
    """160 examples to learn from, 40 to validate with."""
    return divide(digits.sample(200, seed=0), validation_fraction=0.2, split_seed=42)
