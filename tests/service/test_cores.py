import os
from pathlib import Path

import pytest

from service import cores


@pytest.mark.parametrize(
    ("quota", "count"),
    [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("9900000 100000", None), ("nonsense", None)],
)
def test_cores_are_those_that_may_be_used(quota: str, count: int | None, tmp_path: Path) -> None:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    (tmp_path / "cpu.max").write_text(quota)
    assert cores.available(tmp_path / "cpu.max") == (count or allowed)


def test_without_a_control_group_all_cores_count(tmp_path: Path) -> None:
    assert cores.available(tmp_path / "absent") >= 1
