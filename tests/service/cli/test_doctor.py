"""`tenfold doctor` and `tenfold gc`: what they find, and what they leave alone."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from typer.testing import CliRunner

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.cli.main import app
from service.settings import Settings
from service.store import owners
from service.store.data_tables import uploads
from service.store.engine import Database
from service.store.event_tables import events
from service.store.store import Store
from service.store.tables import artifacts as pointers
from service.store.tables import jobs
from tests.records import claim, ended, in_state, learn, submit


def told(settings: Settings, *words: str) -> tuple[int, str]:
    environment = {name: value for name, value in settings.environment().items() if name != "TENFOLD_HOME"}
    result = CliRunner().invoke(app, [*words, "--home", str(settings.home)], env=environment)
    return result.exit_code, result.stdout


def orphan(artifacts: Artifacts, name: str = "lost-0001-abc.safetensors", *, hours: float = 2) -> Path:
    path = artifacts.folder / "jobs" / "nobody" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"lost")
    os.utime(path, (time.time() - hours * 3600,) * 2)
    return path


def test_a_sound_store_has_nothing_to_tell(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    ended(store, artifacts)
    assert told(settings, "doctor") == (0, "5 files on record; 0 not as they should be\n")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("unreadable", ["folder", "loop"])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_looked_at(
    store: Store, artifacts: Artifacts, settings: Settings, unreadable: str
) -> None:
    owner = owners.of_job(ended(store, artifacts))
    store.files.publish(owner, [artifacts.write(owner, "loss.png", b"a picture", epoch=3)])
    for name in ("loss.png", "last.state.safetensors"):
        pointer = store.files.get(owner, name)
        assert pointer is not None
        path = artifacts.path(pointer.key)
        path.unlink()
        path.mkdir() if unreadable == "folder" else path.symlink_to(path)
    code, text = told(settings, "doctor")
    assert (code, [line[:8] for line in text.splitlines()]) == (1, ["damaged "] * 2 + ["6 files "])
    assert ("Is a directory" if unreadable == "folder" else "Too many levels of symbolic links") in text
    assert orphan(artifacts).exists()
    code, text = told(settings, "gc", "--apply")
    assert (code, text.count("orphan")) == (0, 1)


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_file_that_is_not_what_was_written_is_named_with_its_remedy(
    store: Store, artifacts: Artifacts, settings: Settings, damage: str
) -> None:
    job_id = ended(store, artifacts)
    pointer = store.files.get(owners.of_job(job_id), "best.safetensors")
    assert pointer is not None
    path = artifacts.path(pointer.key)
    path.unlink() if damage == "missing" else path.write_bytes(b"wwx")
    code, text = told(settings, "doctor", "--mend")
    assert code == 1
    assert f"{damage:8} {pointer.key} (3 bytes)" in text
    assert f"POST /jobs/{job_id}/retry" in text
    assert store.files.get(owners.of_job(job_id), "best.safetensors") == pointer, "nothing of value is forgotten"


def test_pictures_and_orphans_are_mended(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    job_id = ended(store, artifacts)
    owner = owners.of_job(job_id)
    store.files.publish(owner, [artifacts.write(owner, "loss.png", b"a picture", epoch=3)])
    picture = store.files.get(owner, "loss.png")
    assert picture is not None
    artifacts.path(picture.key).unlink()
    lost, young = orphan(artifacts), orphan(artifacts, ".young-0001-abc", hours=0)
    assert told(settings, "doctor")[0] == 1
    code, text = told(settings, "doctor", "--mend")
    assert (code, text.count("mended")) == (0, 2)
    assert store.files.get(owner, "loss.png") is None
    assert not lost.exists()
    assert young.exists(), "somebody may be about to record it"
    assert [finding.kind for finding in examine(store, artifacts, young_seconds=-1)] == ["orphan"]


def age(store: Store, job_id: str, days: float) -> None:
    with store.database.writer.begin() as connection:
        earlier = jobs.c.finished_at - int(days * 24 * 3600 * 1000)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(finished_at=earlier))


def test_old_jobs_go_and_nothing_else(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    old = [ended(store, artifacts, seed=seed) for seed in range(3)]
    pinned = ended(store, artifacts, labels={"keep": "for the audit"})
    young, waiting = ended(store, artifacts), in_state("paused", store, artifacts)
    newest = ended(store, artifacts, promote="always")
    for job_id in (*old, pinned, newest):
        age(store, job_id, days=40)

    words = ("gc", "--days", "30", "--last", "1")
    _, text = told(settings, *words)
    assert all(job_id in text for job_id in old)
    assert "3 job(s) would be deleted" in text
    assert len(store.jobs.find(limit=10)) == 7
    assert "3 job(s) deleted" in told(settings, *words, "--apply")[1]
    assert {job.id for job in store.jobs.find(limit=10)} == {pinned, young, waiting, newest}
    left = {path.name for job_id in old for path in (artifacts.folder / owners.of_job(job_id)).iterdir()}
    assert len(left) == 3, "their versions keep their weights, and nothing else"
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_uploads_that_are_open_are_nobody_s_to_remove_and_those_that_expired_go(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    (open_one, old, whole) = (store.uploads.begin(3, None, "") for _ in range(3))
    for row in (open_one, old, whole):
        growing = artifacts.grow(row.key, size=0)
        assert growing is not None
        growing.write(b"abc")
        growing.keep()
        growing.close()
        store.uploads.record(store.uploads.take(row.id, 0), 3)
    store.uploads.finish(whole.id, *artifacts.measure(whole.key))
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    with store.database.writer.begin() as connection:
        connection.execute(update(uploads).where(uploads.c.id == old.id).values(expires_at=1))
    assert "1 file(s) of expired uploads deleted" in told(settings, "gc", "--apply")[1]
    assert {path.name for path in (artifacts.folder / "uploads").iterdir()} == {open_one.id, whole.id}
    artifacts.path(whole.key).write_bytes(b"abd")
    status, text = told(settings, "doctor")
    assert status == 1
    assert f"DELETE /uploads/{whole.id}" in text


def fall_silent(store: Store, hours: float) -> None:
    """Let the last thing that was recorded be so long ago."""
    with store.database.writer.begin() as connection:
        for table in (events, pointers):
            earlier = table.c.created_at - int(hours * 3600 * 1000)
            connection.execute(update(table).values(created_at=earlier))


REMOVING = [("gc", "--days", "30", "--last", "0", "--apply"), ("doctor", "--mend")]


@pytest.mark.parametrize("words", REMOVING, ids=["gc", "doctor"])
@pytest.mark.parametrize("sign", ["younger", "more", "never used"])
def test_files_that_may_be_another_record_s_are_not_removed_unless_that_is_wished(
    store: Store, artifacts: Artifacts, settings: Settings, words: tuple[str, ...], sign: str
) -> None:
    old = ended(store, artifacts)
    age(store, old, days=40)
    if sign == "younger":  # the service went on with another database three hours ago
        fall_silent(store, hours=5)
    if sign == "never used":
        with store.database.writer.begin() as connection:
            for table in (pointers, jobs):
                connection.execute(delete(table))
    known = len(store.files.all())
    theirs = [orphan(artifacts, f"last-{n:04}-abc.safetensors") for n in range(known + 1 if sign == "more" else 1)]
    environment = {name: value for name, value in settings.environment().items() if name != "TENFOLD_HOME"}
    done = CliRunner().invoke(app, [*words, "--home", str(settings.home)], env=environment)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "TENFOLD_DATABASE_URL" in done.stderr
    assert "--force" in done.stderr
    assert all(path.exists() for path in theirs)
    assert len(store.files.all()) == known, "and nothing else is"
    assert told(settings, *words, "--force")[0] == 0
    assert not any(path.exists() for path in theirs)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("words", REMOVING, ids=["gc", "doctor"])
def test_what_a_program_that_died_left_over_is_removed_unasked(
    store: Store, artifacts: Artifacts, settings: Settings, words: tuple[str, ...]
) -> None:
    first = artifacts.folder / owners.of_job(submit(store)) / "last-0001-abc.safetensors"
    first.parent.mkdir(parents=True)
    first.write_bytes(b"of a first epoch, in a record that knows no file yet")
    os.utime(first, (time.time() - 2 * 3600,) * 2)
    assert told(settings, *words)[0] == 0
    ended(store, artifacts)
    fall_silent(store, hours=5)
    half = orphan(artifacts, ".last-0001-abc.safetensors")
    assert told(settings, *words)[0] == 0
    assert not first.exists()
    assert not half.exists()


def test_the_jobs_that_ended_last_stay_however_old(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    ids = [ended(store, artifacts, seed=seed, promote="always") for seed in range(4)]
    for days, job_id in enumerate(reversed(ids), start=40):
        age(store, job_id, days=days)
    told(settings, "gc", "--last", "2", "--apply")
    assert [job.id for job in store.jobs.find(limit=10)] == ids[:1:-1]


def test_a_file_that_another_job_begins_with_survives_its_own(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    first = ended(store, artifacts)
    job = store.jobs.get(first)
    assert job is not None
    fields: dict[str, Any] = {"dataset": "digits", "hidden_sizes": (8,), "epochs": 4}
    second = store.submissions.go_on(first, TrainingSpec(**fields), {"kind": "continue", "job_id": first})
    assert second is not None
    ended(store, artifacts, promote="always")
    age(store, first, days=40)
    told(settings, "gc", "--last", "0", "--apply")
    assert store.jobs.get(first) is None
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    # Once the second has epochs of its own, the files of the first belong to nobody, and are removed then.
    held = claim(store, second)
    learn(store, artifacts, held, 4)
    learn(store, artifacts, held, 5)
    assert len(list((artifacts.folder / owners.of_job(first)).iterdir())) == 1, "the weights of its version"


def test_a_job_that_runs_is_nobodys_to_remove(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    job_id = submit(store, dataset="digits", epochs=2)
    claim(store, job_id)
    told(settings, "gc", "--days", "0", "--last", "0", "--apply")
    assert store.jobs.get(job_id) is not None


@pytest.mark.parametrize("command", ["doctor", "gc"])
@pytest.mark.parametrize("name", ["typo", "a file", "a file/below", "empty", "an empty file"])
def test_where_nothing_is_nothing_is_made(tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "a file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "an empty file").mkdir()
    (tmp_path / "an empty file" / "tenfold.sqlite3").touch()
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, [command, "--home", str(tmp_path / name)])
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "there is nothing here" in done.stderr
    assert f"{tmp_path / name}; say with --home" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert all(path.stat().st_size == 0 for path in tmp_path.rglob("*.sqlite3"))


def test_an_empty_database_of_a_server_stays_empty(settings: Settings, bare_url: str) -> None:
    code, _ = told(settings, "doctor")
    assert code == 1
    assert not Database.is_there(bare_url)


def test_what_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "tenfold.sqlite3").write_bytes(b"garbage" * 1000)
    done = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)])
    assert (done.exit_code, done.stderr.splitlines()) == (
        1,
        [f"the database of {tmp_path} cannot be read: file is not a database"],
    )
