"""Settings come from the environment, each under its documented name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings


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
    [("PORT", "70000"), ("WORKERS", "0"), ("THREADS", "x"), ("LEASE_SECONDS", "0"), ("HEARTBEAT_SECONDS", "10")],
)
def test_a_setting_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TENFOLD_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
