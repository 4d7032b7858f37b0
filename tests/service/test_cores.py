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


def test_what_nobody_used_is_counted_of_the_cores_that_are_allowed(tmp_path: Path) -> None:
    ticks, allowed = os.sysconf("SC_CLK_TCK"), sorted(os.sched_getaffinity(0))
    lines = [f"cpu{number} 7 7 7 {ticks * 3} 0 0" for number in (*allowed, max(allowed) + 1)]
    (tmp_path / "stat").write_text("\n".join(["cpu  9 9 9 9", *lines, "intr 1 2 3", ""]))
    assert cores.unused(tmp_path / "absent", times=tmp_path / "stat") == 3.0 * len(allowed)


def test_under_a_quota_what_nobody_used_is_what_is_left_of_it(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("200000 100000")
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\nuser_usec 7\n")
    before = cores.unused(tmp_path / "cpu.max", tmp_path / "cpu.stat")
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 7\n")
    after = cores.unused(tmp_path / "cpu.max", tmp_path / "cpu.stat")
    assert before is not None
    assert after is not None
    assert after >= before - 0.5


@pytest.mark.parametrize("times", ["", "nonsense", "cpu0", "cpu0 a b c d"])
def test_where_nothing_tells_it_is_unknown(times: str, tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(times)
    assert cores.unused(tmp_path / "absent", times=tmp_path / "stat") is None
    assert cores.unused(tmp_path / "absent", times=tmp_path / "absent") is None
