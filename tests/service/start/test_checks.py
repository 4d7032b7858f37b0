"""What cannot work is told before anything starts, against servers that are away, silent, or somebody else's."""

import socket
from pathlib import Path

import pytest
import torch
from sqlalchemy import text

from service.processes.supervisor import StartError, free_port
from service.settings import Settings
from service.start import checks
from service.store.engine import Database


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(StartError, match=r"TENFOLD_DEVICE=cuda.*set it to cpu$"):
        checks.require_device(Settings(device="cuda"))


def test_a_broker_that_answers_is_fine(broker_url: str) -> None:
    checks.require_broker(Settings(broker_url=broker_url), seconds=0)


def test_a_broker_that_is_away_is_told_without_its_password() -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(StartError, match=r"^TENFOLD_BROKER_URL: redis://:\*\*\*@127.* does not answer: .*refused"):
        checks.require_broker(Settings(broker_url=url), seconds=0)


@pytest.mark.parametrize("option", ["foo=1", "ssl_cert_reqs=none", "socket_timeout=abc", "db=x"])
def test_an_option_of_a_broker_that_is_not_understood_is_told(option: str) -> None:
    with pytest.raises(StartError, match=r"^TENFOLD_BROKER_URL: .*behind \? in its URL is not understood"):
        checks.require_broker(Settings(broker_url=f"redis://127.0.0.1:1/0?{option}"), seconds=0)


def test_a_broker_that_is_none_is_told(postgres: str) -> None:
    port = postgres.rpartition(":")[2].partition("/")[0]
    with pytest.raises(StartError, match=r"^TENFOLD_BROKER_URL: "):
        checks.require_broker(Settings(broker_url=f"redis://127.0.0.1:{port}/0"), seconds=0)


def test_a_broker_without_such_a_database_is_told(broker_url: str) -> None:
    with pytest.raises(StartError, match="out of range"):
        checks.require_broker(Settings(broker_url=f"{broker_url}9999"), seconds=0)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d", "refused"),
        ("sqlite:////proc/none/x.sqlite3", "No such file"),
        ("sqlite:////proc", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_one_line(url: str, cause: str) -> None:
    with pytest.raises(StartError, match=r"^TENFOLD_DATABASE_URL: ") as refused:
        checks.require_database(Settings(database_url=url))
    assert cause in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_database_that_a_server_does_not_have_is_told(postgres: str) -> None:
    with pytest.raises(StartError, match=r'database "nowhere" does not exist'):
        checks.require_database(Settings(database_url=f"{postgres.rpartition('/')[0]}/nowhere"))


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_text("not a database, but longer than the header of one would be" * 9)
    with pytest.raises(StartError, match="file is not a database"):
        checks.require_database(Settings(database_url=f"sqlite:///{tmp_path}/x.sqlite3"))


def test_a_database_of_a_later_version_is_told(database_url: str) -> None:
    database = Database.open(database_url)
    with database.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(StartError, match=r"tables are of a later version of Tenfold, revision 9999"):
        checks.require_database(Settings(database_url=database_url))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "no.such.host.invalid", "192.0.2.1"])
def test_where_nothing_can_listen_is_told(host: str) -> None:
    with socket.socket(socket.AF_INET6 if host == "::1" else socket.AF_INET) as taken:
        taken.bind((host if host == "::1" else "127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match=r"^cannot listen on .*; choose another with --host or --port$"):
            checks.require_free(host, taken.getsockname()[1])
