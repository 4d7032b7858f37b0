"""Sweeps on record, on SQLite and on PostgreSQL alike."""

import json
from collections.abc import Sequence

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, func, insert, make_url, select, text

from models.spec import TrainingSpec
from service.store import owners
from service.store.engine import _MIGRATIONS, Database, Row
from service.store.errors import PartOfSweep, SweepConflict
from service.store.files import File
from service.store.shared_columns import metadata
from service.store.states import StoppedEarly, spec_of
from service.store.store import Store
from service.store.tables import jobs
from service.store.tally import state_of
from tests.records import claim, end, epoch, expire, file, submit, sweep


def found(store: Store, sweep_id: str) -> Row:
    row = store.sweeps.get(sweep_id)
    assert row is not None
    return row


def state(store: Store, sweep_id: str) -> str:
    return state_of(found(store, sweep_id), store.sweeps.tally([sweep_id])[sweep_id])


def states(store: Store, job_ids: Sequence[str]) -> list[str]:
    return [job.state for job_id in job_ids if (job := store.jobs.get(job_id)) is not None]


def test_a_sweep_and_its_jobs_are_inserted_trial_by_trial_in_one_transaction(store: Store) -> None:
    sweep_id, job_ids = sweep(store, name="rates", labels={"team": "a"}, seeds=2, base={"seed": 7})
    jobs = list(store.sweeps.jobs(sweep_id))
    assert [job.id for job in jobs] == job_ids
    assert [(job.trial, job.name, job.spec["seed"]) for job in jobs[:3]] == [
        (1, "rates-1", 7),
        (1, "rates-1", 8),
        (2, "rates-2", 7),
    ]
    job = store.jobs.get(job_ids[0])
    assert job is not None
    assert (job.sweep_id, job.labels, job.state) == (sweep_id, {"team": "a"}, "queued")
    assert job.shape == TrainingSpec.model_validate(job.spec).shape
    assert [event.data for event in store.jobs.events(job_ids[-1])] == [{"state": "queued"}]
    assert [row.id for row in store.jobs.find(sweep_id=sweep_id, limit=3)] == job_ids[::-1][:3]


def test_thousands_of_jobs_are_inserted_and_cancelled_at_once(store: Store) -> None:
    sweep_id, job_ids = sweep(store, seeds=750)
    assert store.sweeps.cancel(sweep_id)
    tally = store.sweeps.tally([sweep_id])[sweep_id]
    assert (len(job_ids), tally.counts["cancelled"], tally.unended) == (3000, 3000, 0)
    assert state(store, sweep_id) == "cancelled"
    assert [event.data["state"] for event in store.jobs.events(job_ids[1234])] == ["queued", "cancelled"]


def test_sweeps_are_found_by_name_and_labels_newest_first_in_pages(store: Store) -> None:
    ids = [sweep(store, name=f"sweep-{number % 2}", labels={"round": str(number)})[0] for number in range(4)]
    assert [row.id for row in store.sweeps.find(limit=10)] == ids[::-1]
    assert [row.id for row in store.sweeps.find(name="sweep-1", limit=10)] == [ids[3], ids[1]]
    assert [row.id for row in store.sweeps.find(labels=[("round", "2")], limit=10)] == [ids[2]]
    first = store.sweeps.find(limit=1)
    assert [row.id for row in store.sweeps.find(before=first[0].number, limit=2)] == [ids[2], ids[1]]


def test_a_sweep_runs_until_its_last_job_has_ended_and_fails_only_with_all_of_them(store: Store) -> None:
    sweep_id, job_ids = sweep(store)
    assert state(store, sweep_id) == "running"
    for job_id in job_ids[:3]:
        end(store, claim(store, job_id), "failed")
    assert state(store, sweep_id) == "running"
    end(store, claim(store, job_ids[3]), "succeeded")
    assert state(store, sweep_id) == "succeeded"
    other, others = sweep(store)
    for job_id in others:
        end(store, claim(store, job_id), "failed")
    assert state(store, other) == "failed"


def test_the_tally_counts_epochs_and_what_is_left_of_them(store: Store) -> None:
    sweep_id, job_ids = sweep(store, base={"epochs": 5})
    end(store, claim(store, job_ids[0]))
    store.runs.record_epoch(claim(store, job_ids[1]), epoch(1, seconds=2.0), [])
    tally = store.sweeps.tally([sweep_id])[sweep_id]
    assert (tally.epochs, tally.epochs_done, tally.epochs_left) == (20, 2, 14)
    assert (tally.counts["succeeded"], tally.counts["running"], tally.counts["queued"]) == (1, 1, 2)
    assert tally.epoch_seconds == 2.0


def test_cancelling_a_sweep_ends_what_waits_and_asks_what_runs(store: Store) -> None:
    sweep_id, job_ids = sweep(store)
    done, running = claim(store, job_ids[0]), claim(store, job_ids[1])
    end(store, done)
    # One that has an epoch on record, and waits again because its worker died.
    lost = claim(store, job_ids[2])
    store.runs.record_epoch(lost, epoch(1), [file("last.safetensors", "k"), file("best.safetensors", "k")])
    expire(store, lost.job_id)
    assert store.stalled.release_expired() == [lost.job_id]

    for _ in range(2):
        assert store.sweeps.cancel(sweep_id)
    assert states(store, job_ids) == ["succeeded", "running", "cancelled", "cancelled"]
    assert store.runs.look([running]) == {running.job_id: "cancel"}
    kept = store.jobs.get(lost.job_id)
    assert kept is not None
    assert kept.result["epochs"] == 1
    assert [event.type for event in store.jobs.events(running.job_id)].count("cancel_requested") == 1
    assert state(store, sweep_id) == "running"
    end(store, running, "cancelled")
    assert state(store, sweep_id) == "cancelled"
    assert store.sweeps.cancel(sweep_id), "cancelling once more is no error"


def test_a_sweep_that_has_ended_by_itself_cannot_be_cancelled(store: Store) -> None:
    sweep_id, job_ids = sweep(store, grid={"epochs": [1]})
    end(store, claim(store, job_ids[0]))
    with pytest.raises(SweepConflict):
        store.sweeps.cancel(sweep_id)
    assert not store.sweeps.cancel("nobody")


def test_a_sweep_is_deleted_with_its_jobs_and_a_job_not_without_its_sweep(store: Store) -> None:
    sweep_id, job_ids = sweep(store, grid={"epochs": [1, 2]})
    end(store, claim(store, job_ids[0]))
    assert store.files.publish(owners.of_sweep(sweep_id), [file("curves.png", "p")]) == []
    with pytest.raises(SweepConflict):
        store.sweeps.delete(sweep_id)
    with pytest.raises(PartOfSweep):
        store.jobs.delete(job_ids[0])
    other = submit(store)
    store.files.publish(owners.of_job(other), [file("loss.png", "o")])
    store.sweeps.cancel(sweep_id)
    deleted, unreferenced = store.sweeps.delete(sweep_id) or ([], [])
    assert sorted(deleted) == sorted(job_ids)
    assert "p" in unreferenced
    assert store.sweeps.delete(sweep_id) is None
    assert store.files.publish(owners.of_sweep(sweep_id), [file("curves.png", "late")]) == ["late"]
    with store.database.reader.connect() as connection:
        left = {
            table.name: connection.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables
        }
    # What the job had learned outlives it, and that the sweep was deleted is told.
    learned = {"models": 1, "versions": 1, "aliases": 1, "moves": 1, "decisions": 1}
    assert {name: count for name, count in left.items() if count} == {
        "accounts": 1,
        "audit": 3,
        "shares": 1,
        "jobs": 1,
        "events": 2,
        "artifacts": 2,
        **learned,
    }


def test_trials_are_added_once_and_not_to_a_sweep_that_was_cancelled(store: Store) -> None:
    tpe = {"trials": 6, "parallel": 2, "ranges": {"epochs": {"integer": [1, 9]}}}
    sweep_id, job_ids = sweep(store, tpe=tpe)
    assert len(job_ids) == 2
    assert store.sweeps.wanting() == [], "as many are under way as may be"
    end(store, claim(store, job_ids[0]), "failed")
    assert store.sweeps.wanting() == [sweep_id]
    assert len(store.sweeps.extend(sweep_id, [[TrainingSpec()]], after=2)) == 1
    assert store.sweeps.extend(sweep_id, [[TrainingSpec()]], after=2) == [], "somebody else was first"
    assert store.sweeps.extend(sweep_id, [[TrainingSpec()]] * 4, after=3) == [], "more than were asked for"
    assert [job.trial for job in store.sweeps.jobs(sweep_id)] == [1, 2, 3]
    with pytest.raises(SweepConflict):
        store.sweeps.delete(sweep_id)
    store.sweeps.cancel(sweep_id)
    assert store.sweeps.extend(sweep_id, [[TrainingSpec()]], after=3) == []
    assert state(store, sweep_id) == "cancelled"
    assert store.sweeps.wanting() == []


def test_a_sweep_for_which_no_other_trial_is_found_ends_with_those_it_has(store: Store) -> None:
    tpe = {"trials": 6, "parallel": 1, "ranges": {"epochs": {"integer": [1, 9]}}}
    sweep_id, job_ids = sweep(store, tpe=tpe)
    end(store, claim(store, job_ids[0]))
    assert state(store, sweep_id) == "running"
    store.sweeps.close(sweep_id, after=1)
    assert state(store, sweep_id) == "succeeded"


def test_a_job_that_stopped_early_says_why(store: Store) -> None:
    weights: list[File] = [file("last.safetensors", "k"), file("best.safetensors", "k")]
    told = []
    ends: list[tuple[int, StoppedEarly | None]] = [(3, "halving"), (3, None), (1, None)]
    for epochs, reason in ends:
        held = claim(store, submit(store, epochs=epochs))
        store.runs.record_epoch(held, epoch(1), weights)
        store.runs.finish(held, stopped_early=reason)
        job = store.jobs.get(held.job_id)
        assert job is not None
        told.append((job.state, job.result["stopped_early"]))
    assert told == [("succeeded", "halving"), ("succeeded", "patience"), ("succeeded", None)]


def test_progress_grows_with_every_epoch_and_every_end(store: Store) -> None:
    sweep_id, job_ids = sweep(store)
    seen = [store.sweeps.progress(sweep_id)]
    held = claim(store, job_ids[0])
    store.runs.record_epoch(held, epoch(1), [])
    seen.append(store.sweeps.progress(sweep_id))
    store.runs.fail(held, {"type": "ValueError", "message": "no"})
    seen.append(store.sweeps.progress(sweep_id))
    assert seen == [0, 1, 2]


def test_accuracies_are_given_epoch_by_epoch(store: Store) -> None:
    _, job_ids = sweep(store)
    held = claim(store, job_ids[0])
    for number in (1, 2):
        store.runs.record_epoch(held, epoch(number, train_accuracy=number / 10, val_accuracy=number / 20), [])
    assert store.sweeps.accuracies(job_ids[:2]) == {job_ids[0]: ([0.1, 0.2], [0.05, 0.1]), job_ids[1]: ([], [])}


def test_training_processes_are_counted_while_their_worker_is_seen(store: Store) -> None:
    assert store.workers.slots(seconds=60) == 0
    store.workers.seen("a:1", "train", slots=2)
    store.workers.seen("b:1", "train", slots=3)
    store.workers.seen("b:1", "train", slots=4)
    store.workers.seen("a:2", "errands", slots=0)
    assert store.workers.slots(seconds=60) == 6


def test_jobs_from_before_there_were_sweeps_are_kept_and_get_their_shape(bare_url: str) -> None:
    url = make_url(bare_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url)
    config = Config(attributes={})
    config.set_main_option("script_location", str(_MIGRATIONS))
    spec = TrainingSpec(architecture="nmlp", hidden_sizes=(30, 5), dropout=0.5, dataset="digits")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        written = json.dumps(spec.model_dump(mode="json"))
        connection.execute(
            text(
                "INSERT INTO jobs (id, state, spec, labels, dataset, created_at, rung_at, attempt, fruitless_attempts,"
                " cancel_requested, last_epoch) VALUES ('old', 'queued', :spec, '{}', 'digits', 1, 1, 0, 0, false, 0)"
            ),
            {"spec": written},
        )
        connection.execute(text("INSERT INTO attempts (job_id, attempt, owner, started_at) VALUES ('old', 1, 'x', 1)"))
    engine.dispose()
    database = Database.open(bare_url)
    with database.reader.connect() as connection:
        job = connection.execute(select(metadata.tables["jobs"])).one()
        attempts = connection.scalar(select(func.count()).select_from(metadata.tables["attempts"]))
    assert (job.id, job.shape, job.sweep_id, attempts) == ("old", spec.shape, None, 1)
    with database.writer.begin() as connection, pytest.raises(Exception, match=r"(?i)foreign key"):
        connection.execute(
            insert(metadata.tables["jobs"]).values({**job._mapping, "number": 9, "id": "y", "sweep_id": "z"})
        )
    database.close()


def test_labels_of_a_sweep_are_on_record_once_and_every_job_shows_and_is_found_by_them(store: Store) -> None:
    labels = {"team": "vision", **{f"key-{number}": "v" * 100 for number in range(15)}}
    _, ids = sweep(store, name="rates", labels=labels)
    alone = submit(store, name="alone", labels={"team": "vision", "only": "this"})
    with store.database.reader.connect() as connection:
        rows = connection.execute(select(jobs.c.spec, jobs.c.labels).where(jobs.c.sweep_id.is_not(None))).all()
    assert not any("vision" in str(row) for row in rows)
    its = store.jobs.find(labels=[("team", "vision"), ("key-3", "v" * 100)], limit=100)
    assert {job.id for job in its} == set(ids)
    assert len(store.jobs.find(labels=[("team", "vision")], limit=100)) == len(ids) + 1
    for job_id, wanted in [*((job_id, labels) for job_id in ids), (alone, {"team": "vision", "only": "this"})]:
        job = store.jobs.get(job_id)
        assert job is not None
        spec = spec_of(job)
        assert (job.labels, spec["labels"], spec["name"]) == (wanted, wanted, job.name)
        assert TrainingSpec.model_validate(spec).digest == job.spec_sha256
    held = claim(store, ids[0])
    assert (held.spec["labels"], held.spec["name"]) == (labels, "rates-1")
    end(store, held)
    made = store.models.version("mnist", 1)
    assert made is not None
    assert made.spec["labels"] == labels


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_sweep_writes_little_for_each_of_its_jobs_whatever_its_labels_are(store: Store) -> None:
    kept = store.database.file
    assert kept is not None
    before = kept.stat().st_size
    _, ids = sweep(store, labels={f"key-{number}": "v" * 128 for number in range(16)}, seeds=100)
    assert (kept.stat().st_size - before) / len(ids) < 2600
