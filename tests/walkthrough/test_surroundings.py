"""What a shell says, what lies about, how the home is called: it makes no difference. `conftest.py` has all of it."""

import stat
import sys
from pathlib import Path

import pytest

from service.client import Client
from tests.running import Stack, programs


def test_everything_lies_in_the_home_and_is_its_owner_s_alone(stack: Stack) -> None:
    assert {"artifacts", "broker", "logs", "tenfold.sqlite3"} <= {path.name for path in stack.home.iterdir()}
    assert [path.name for path in stack.home.parent.iterdir()] == [stack.home.name]
    everything = [stack.home, *stack.home.rglob("*")]
    assert [path for path in everything if _mode(path) & 0o077] == []
    assert list(stack.home.glob("broker/appendonlydir/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what variables a process has")
def test_variables_of_other_programs_reach_none_of_ours(stack: Stack) -> None:
    started = programs(stack.process.pid)
    del started[stack.process.pid]
    assert len(started) >= 5
    for pid, command in started.items():
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        names = {variable.partition("=")[0] for variable in variables}
        strangers = {
            "MPLBACKEND",
            "BROKER_URL",
            "CELERY_BROKER_URL",
            "FORWARDED_ALLOW_IPS",
            "OMP_PROC_BIND",
            "MKL_CBWR",
        }
        assert names & strangers == set(), command
        assert "TENFOLD_PORT_8000_TCP" not in names, command


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_what_listens_on_the_loopback_is_not_asked_through_a_proxy(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "::1")  # which httpx takes for a URL, and fails
    for host in ("127.0.0.1", "localhost"):
        with Client(stack.url.replace("127.0.0.1", host)) as client:
            assert client.models() == client.models()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
