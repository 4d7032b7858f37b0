"""`tenfold keys` and `tenfold accounts`, and the first key, as an operator meets them."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.access import key_text
from service.cli.main import app
from service.processes.supervisor import StartError
from service.settings import Settings
from service.start.first_key import FILE, make_first_key
from service.store.store import Store


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone, in the home that the command line opens."""
    return sqlite_url


def tenfold(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    environment = {"TENFOLD_HOME": str(settings.home), "TENFOLD_DATABASE_URL": settings.database_url}
    done = CliRunner().invoke(app, arguments, env=environment)
    return done.exit_code, done.stdout, done.stderr


def test_keys_are_made_listed_and_revoked(settings: Settings, store: Store) -> None:
    code, text, told = tenfold(settings, "keys", "add", "ci", "--scopes", "train, read", "--days", "30")
    assert code == 0
    key = key_text.read(text.strip())
    assert key is not None
    assert f"{key.id} of default, for read, train" in told
    row = store.api_keys.get(key.id)
    assert row is not None
    assert (row.scopes, row.secret_sha256) == (["read", "train"], key.digest)
    assert "'ci' read,train never used, ends" in tenfold(settings, "keys", "list")[1]
    assert tenfold(settings, "keys", "list", "--account", "acme")[1] == ""
    assert tenfold(settings, "keys", "revoke", key.id)[0] == 0
    assert store.api_keys.get(key.id) is None
    assert "revoked" in tenfold(settings, "keys", "list")[1]
    assert tenfold(settings, "keys", "revoke", "nothing") == (1, "", tenfold(settings, "keys", "revoke", "nothing")[2])


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--scopes", "root"), 2, "'root' is no scope"),
        (("--scopes", ","), 2, "say what it is for"),
        (("--scopes", "all", "--account", "acme"), 1, "there is no account 'acme'"),
    ],
)
def test_a_key_that_cannot_be_made_is_said_why(
    settings: Settings, store: Store, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = tenfold(settings, "keys", "add", "x", *arguments)
    assert (done[0], done[1]) == (code, "")
    assert told in done[2]


def test_accounts_are_added_limited_and_listed(settings: Settings, store: Store) -> None:
    assert tenfold(settings, "accounts", "add", "acme")[0] == 0
    assert "already" in tenfold(settings, "accounts", "add", "acme")[1]
    assert tenfold(settings, "accounts", "add", "A b")[0] == 2
    assert tenfold(settings, "accounts", "set", "acme", "queued=5", "predict=50", "weight=2")[0] == 0
    row = store.accounts.get("acme")
    assert row is not None
    assert (row.limits, row.weight) == ({"queued": 5, "rates": {"predict": 50.0}}, 2.0)
    assert tenfold(settings, "accounts", "set", "acme", "queued=")[0] == 0
    assert "has queued 0, running 0, stored_bytes 0, bytes_a_day 0" in tenfold(settings, "accounts", "list")[1]
    for wrong in ("queued=many", "root=1", "weight=0"):
        assert tenfold(settings, "accounts", "set", "acme", wrong)[0] == 2, wrong
    _, _, why = tenfold(settings, "accounts", "set", "acme", "queue=5")
    assert "'queue' can not be limited; what can is weight, queued" in why
    assert tenfold(settings, "accounts", "set", "nobody", "queued=1")[0] == 1


def test_the_first_key_is_made_once_and_only_its_owner_reads_it(settings: Settings, store: Store) -> None:
    told: list[str] = []
    asking = settings.model_copy(update={"auth": "on"})
    make_first_key(asking, told.append)
    file = settings.home / FILE
    text = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(told) == 1, "where it lies, and not itself: this is no terminal"
    assert text not in told[0]
    key = key_text.read(text)
    assert key is not None
    row = store.api_keys.get(key.id)
    assert row is not None
    assert set(row.scopes) == {"read", "predict", "train", "data", "models", "admin"}
    store.api_keys.revoke(key.id)
    make_first_key(asking, told.append)
    assert (len(told), len(store.api_keys.all())) == (1, 1), "one was made, and is on record"


def test_a_first_key_that_cannot_be_kept_is_none(settings: Settings, store: Store, tmp_path: Path) -> None:
    (settings.home / FILE).mkdir()
    with pytest.raises(StartError, match="cannot be written"):
        make_first_key(settings.model_copy(update={"auth": "on"}), print)
    assert store.api_keys.all() == []


@pytest.mark.parametrize(
    ("auth", "host", "asks"),
    [
        ("auto", "127.0.0.1", False),
        ("auto", "localhost", False),
        ("auto", "::1", False),
        ("auto", "127.9.9.9", False),
        ("auto", "0.0.0.0", True),
        ("auto", "::", True),
        ("auto", "ml.example.com", True),
        ("on", "127.0.0.1", True),
        ("off", "0.0.0.0", False),
    ],
)
def test_keys_are_asked_for_where_others_are_heard(auth: str, host: str, asks: bool) -> None:
    assert Settings(auth=auth, host=host).asks_for_keys is asks


def test_who_asks_for_no_keys_beyond_this_machine_is_told_what_that_means(settings: Settings) -> None:
    told: list[str] = []
    make_first_key(settings.model_copy(update={"auth": "off", "host": "0.0.0.0"}), told.append)
    assert "may see, change and delete everything" in told[0]
    make_first_key(settings, told.append)
    assert len(told) == 1
