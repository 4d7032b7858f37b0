"""Homes old and new are their owners' alone; what lies in them and is not ours stays as it is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.processes.supervisor import StartError
from service.settings import Settings
from service.start.home import open_home


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((".", "elsewhere")))
    mask = os.umask(0o022)
    yield
    os.umask(mask)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_is_closed_and_so_is_what_is_made_from_now_on(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new" / "home")
    open_home(settings)
    (settings.home / "file").touch()
    assert (mode(settings.home), mode(settings.artifacts), mode(settings.home / "file")) == (0o700, 0o700, 0o600)


def test_an_old_home_is_closed_with_its_database(tmp_path: Path) -> None:
    for name in ("artifacts", "broker", "logs"):
        (tmp_path / name).mkdir()
    shared = tmp_path.with_name("shared")
    shared.mkdir()
    (tmp_path / "data").symlink_to(shared)
    files = [tmp_path / f"tenfold.sqlite3{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]
    for file in files:
        file.touch()
    tmp_path.chmod(0o755)
    open_home(Settings(home=tmp_path))
    assert {mode(path) for path in (tmp_path, *tmp_path.glob("[abl]*"))} == {0o700}
    assert {mode(file) for file in files} == {0o600}
    assert mode(shared) == 0o755


def test_a_home_that_holds_other_things_stays_open_and_what_is_ours_in_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    (tmp_path / "tenfold.sqlite3").touch()
    tmp_path.chmod(0o755)
    open_home(Settings(home=tmp_path))
    assert (mode(tmp_path), mode(tmp_path / "thesis.tex")) == (0o755, 0o644)
    assert (mode(tmp_path / "tenfold.sqlite3"), mode(tmp_path / "artifacts")) == (0o600, 0o700)


def test_a_database_elsewhere_is_closed_and_its_folder_is_not(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a b.sqlite3").touch()
    open_home(Settings(home=tmp_path / "home", database_url=f"sqlite:///{elsewhere}/a%20b.sqlite3"))
    assert (mode(elsewhere), mode(elsewhere / "a b.sqlite3")) == (0o755, 0o600)


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(StartError, match=r"^TENFOLD_HOME: .*/home cannot be used: "):
        open_home(Settings(home=tmp_path / "home"))


def test_programs_find_our_code_from_the_folder_where_they_work(tmp_path: Path) -> None:
    before = Path.cwd()
    settings = Settings(home=tmp_path)
    open_home(settings)
    assert Path.cwd() == settings.artifacts
    found = os.environ["PYTHONPATH"].split(os.pathsep)
    assert {str(before), str(before / "elsewhere")} <= set(found)
