"""Killed before some of the operations; before every single one, on both databases, by the bench itself."""

import subprocess
import sys

import pytest


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("scenario", "every"),
    [
        ("trained together", 97),
        ("PUT /jobs", 29),
        ("a data set is read", 19),
        ("a model is measured", 9),
        ("a checkpoint becomes a version", 37),
        ("of which some have come", 27),
    ],
)
def test_wherever_a_process_is_killed_nothing_is_lost(scenario: str, every: int) -> None:
    # In a process of its own, which has loaded torch and not used it: only such a one may be forked.
    command = [sys.executable, "-m", "tests.chaos.failpoints", "--only", scenario, "--every", str(every)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 failures" in run.stdout
