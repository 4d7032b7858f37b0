"""Settings come from the environment, each under its documented name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings
from service.store.engine import Database


def test_everything_has_a_default_below_the_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/tenfold.sqlite3"
    assert settings.artifacts == tmp_path / "artifacts"
    assert settings.host == "127.0.0.1"


def test_what_is_passed_on_as_environment_is_read_as_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, port=8123, allowed_hosts=("a.example", "b.example"), lease_seconds=12.5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PORT", "70000"), ("WORKERS", "0"), ("THREADS", "x"), ("LEASE_SECONDS", "0"), ("HEARTBEAT_SECONDS", "10")),
        *(("LEASE_SECONDS", "inf"), ("POLL_SECONDS", "nan"), ("KILL_AFTER_SECONDS", "1e300"), ("PORT", "-1")),
        *(("ALLOWED_HOSTS", "ml.example.com:8000"), ("ALLOWED_HOSTS", ","), ("HOST", "0.0.0.0:80"), ("DEVICE", "gpu")),
        *(("BROKER_URL", "localhost"), ("DATABASE_URL", "mysql://x/y"), ("POLL_SECONDS", "20")),
        *(
            ("HOME", "~nobody-of-this-name/x"),
            ("DATA", "~nobody-of-this-name"),
            ("TRUSTED_PROXIES", "::ffff:127.0.0.1"),
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TENFOLD_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("name", ["two words", "mnist/0", "mnist/x", "mnist@", "mnist@a/1", "/3", "a" * 129, "-a", "é"])
def test_a_default_model_that_cannot_be_is_refused_with_how_to_write_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TENFOLD_DEFAULT_MODEL", name)
    with pytest.raises(
        ValidationError, match=r"names no model; write its name, name@alias, or name/3 for its version 3"
    ):
        Settings()


@pytest.mark.parametrize("name", ["mnist", "mnist@champion", "my-data.v2/12"])
def test_a_default_model_is_a_reference(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TENFOLD_DEFAULT_MODEL", name)
    assert Settings().default_model == name
    assert Settings().environment()["TENFOLD_DEFAULT_MODEL"] == name


@pytest.mark.parametrize("blank", ["", " ", "\r"])
@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_that_is_empty_is_unset(monkeypatch: pytest.MonkeyPatch, name: str, blank: str) -> None:
    monkeypatch.setenv(f"TENFOLD_{name.upper()}", blank)
    settings = Settings()
    assert name not in settings.model_fields_set
    monkeypatch.delenv(f"TENFOLD_{name.upper()}")
    assert settings == Settings()


def test_values_from_a_file_of_windows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_PORT", "8001\r")
    monkeypatch.setenv("TENFOLD_BROKER_URL", "redis://valkey:6379/0\r")
    monkeypatch.setenv("TENFOLD_ALLOWED_HOSTS", "a.example, B.example,\r")
    settings = Settings()
    assert (settings.port, settings.broker_url) == (8001, "redis://valkey:6379/0")
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_a_tilde_is_the_home_of_whoever_runs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(home=Path("~/tenfold")).home == tmp_path / "tenfold"


def test_a_home_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="no name in UTF-8"):
        Settings(home=tmp_path / "bad\udcff")


@pytest.mark.parametrize("name", ["feature%2Fx", "a?b", "a#b", "a b", "\u00e4", "$HOME", " x "])
def test_everything_lies_in_the_home_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("TENFOLD_DATA", raising=False)
    settings = Settings(home=tmp_path / name)
    Database.open(settings.database_url).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "tenfold.sqlite3").is_file()
    assert {settings.data.parent, settings.artifacts.parent} == {tmp_path / name}


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
