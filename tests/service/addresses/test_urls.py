"""URLs of databases and brokers: whole paths, and no word of a password."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.addresses import urls

NAMES = [
    "feature%2Fx",
    "a?b",
    "a#b",
    "a b",
    "\u00e4\u4e2d",
    "50%",
    "a@b:c",
    "a&b=c;d",
    "a'b\"c",
    "%s%(x)s",
    "+",
    "file:x",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_stays_whole_whatever_its_name(name: str) -> None:
    path = Path("/srv") / name / "tenfold.sqlite3"
    url = urls.of_file(path)
    assert make_url(url).database == str(path)
    assert not make_url(url).query
    assert urls.file_of(url) == path
    assert urls.of_database(url) == url


def test_a_file_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert urls.of_database("sqlite:///a.sqlite3?timeout=3") == f"{urls.of_file(tmp_path / 'a.sqlite3')}?timeout=3"


@pytest.mark.parametrize(
    "url", ["postgresql://tenfold@postgres:5432/tenfold", "postgresql+psycopg://u:p%40ss@h/d", "postgresql:///tenfold"]
)
def test_a_server_is_named_as_it_is(url: str) -> None:
    assert urls.of_database(url) == url
    assert urls.file_of(url) is None


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("mysql://localhost/x", "sqlite:/// or postgresql://, not mysql://"),
        ("/srv/tenfold.sqlite3", "sqlite:/// or postgresql://, not what has none"),
        ("postgres://u:secret@h/d", "written postgresql://"),
        ("postgresql+psycopg2://u:secret@h/d", "write postgresql://"),
        ("postgresql://u:secret@h:54x2/d", "port"),
        ("postgresql://u:sec#ret@h/d", "%XX"),
        ("sqlite://", "several processes share it"),
        ("sqlite:///:memory:", "several processes share it"),
        ("sqlite:///file:x?uri=true", "several processes share it"),
        ("sqlite://host/x", "as sqlite:////srv/tenfold.sqlite3"),
    ],
)
def test_a_database_that_cannot_be_is_refused_without_a_word_of_its_password(url: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as refused:
        urls.of_database(url)
    assert "sec" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:6379/0", "rediss://:p%2Fw@h", "redis://valkey:6379", "redis://h/15"]
)
def test_a_broker_is_named_as_it_is(url: str) -> None:
    assert urls.of_broker(url) == url


def test_a_scheme_may_be_in_capitals() -> None:
    assert urls.of_broker("REDIS://h:6379/0") == "redis://h:6379/0"


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("localhost:6379", "as redis://127.0.0.1:6379/0"),
        ("amqp://guest:secret@h//", "redis:// or rediss://, .* not amqp://"),
        ("'redis://h:6379/0'", "must begin with redis://"),
        ("unix:///run/valkey.sock", "not unix://"),
        ("redis://h:port/0", "port"),
        ("redis://h:70000/0", "port"),
        ("redis://:se/cret@h:6379/0", "%XX"),
        ("redis://:se\u2100cret@h:6379/0", "%XX"),
        ("redis://h:6379/tenfold", "the number of a database"),
        ("secret", "not what has none"),
    ],
)
def test_a_broker_that_cannot_be_is_refused_without_a_word_of_its_password(url: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as refused:
        urls.of_broker(url)
    assert "se" not in str(refused.value).replace("does", "").replace("database", "")


def test_a_url_is_told_without_its_password() -> None:
    assert urls.without_password("redis://u:p@ss:w@h:1/0?password=secret") == "redis://u:***@h:1/0"
    assert urls.without_password("redis://h:1/0") == "redis://h:1/0"
