"""The command line, as a user types it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from service.processes.supervisor import free_port


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


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = tenfold("up", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "choose another with --host or --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_setting_that_cannot_be_is_told_by_its_name(tmp_path: Path) -> None:
    done = tenfold("up", cwd=tmp_path, TENFOLD_WORKERS="many")
    assert done.returncode == 2
    assert done.stderr.startswith("TENFOLD_WORKERS: ")


def test_what_keeps_a_program_from_starting_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    done = tenfold(
        "up",
        "--port",
        str(free_port()),
        cwd=tmp_path,
        TENFOLD_DATABASE_URL="mysql://localhost/x",
        TENFOLD_BROKER_URL="redis://127.0.0.1:1/0",
    )
    assert done.returncode == 1
    assert "TENFOLD_DATABASE_URL must begin with sqlite:/// or postgresql://" in done.stderr
