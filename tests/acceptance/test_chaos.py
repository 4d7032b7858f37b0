"""Every part killed once, with three accounts: no job is lost, doubled or ends with other bits, and all is told.

What else may happen to it is in tests/chaos/torment.py, which takes longer than a test may.
"""

from pathlib import Path

import pytest

from tests.chaos.torment import torment
from tests.chaos.workloads import SPECS


@pytest.mark.timeout(240)
def test_whatever_is_killed_every_job_ends_once_and_with_the_bits_of_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    outcome = torment("sqlite", jobs=6, seconds=5, seed=20, only="kill", home=tmp_path, specs=SPECS[:2])
    said = "\n".join(outcome.lines)
    assert outcome.violations == [], said
    assert outcome.silent == [], said
    assert min(outcome.fired.values()) >= 1
