"""Each kind of fault once, on the whole service: no job that was accepted is lost, doubled, or ends with other bits."""

from pathlib import Path

import pytest

from bench.chaos import torment


@pytest.mark.timeout(240)
def test_whatever_is_killed_frozen_or_emptied_every_job_ends_once_and_with_the_bits_of_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    outcome = torment("sqlite", jobs=12, seconds=20, seed=20, home=tmp_path)
    said = "\n".join(outcome.lines)
    assert outcome.violations == [], said
    assert outcome.silent == [], said
    assert min(outcome.fired.values()) >= 1
