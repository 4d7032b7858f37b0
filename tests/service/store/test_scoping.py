"""What one account has, no other sees, changes or deletes; what says no account is refused before it is sent."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, insert, select, text, update

from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.data_tables import dataset_versions, datasets
from service.store.event_tables import events
from service.store.job_ids import whole
from service.store.keys import Key
from service.store.shared_columns import EVERYONE, Unbound, metadata
from service.store.store import Store
from service.store.tables import jobs, models, versions
from tests.records import data, finished, submit, succeeded, sweep


@pytest.fixture
def acme(store: Store) -> Store:
    """The store as it is for another account."""
    store.accounts.add("acme")
    return store.of("acme")


def test_each_account_has_names_of_its_own(store: Store, acme: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, val_accuracy=0.9)
    theirs = succeeded(acme, artifacts.of("acme"), seed=3, val_accuracy=0.1)
    assert [row.val_accuracy for row in store.models.versions("mnist", limit=9)] == [0.9]
    assert [row.val_accuracy for row in acme.models.versions("mnist", limit=9)] == [0.1]
    assert acme.references.look_up("mnist").shares[0][0].job_id == theirs
    assert store.models.delete_all("mnist", force=True) is not None
    assert acme.references.look_up(None).shares[0][0].version == 1
    assert acme.files.get(owners.of_version("mnist", 1), "weights.safetensors") is not None


def test_nobody_sees_or_changes_what_is_another_s(store: Store, acme: Store, artifacts: Artifacts) -> None:
    mine = submit(store, name="nightly", labels={"team": "a"})
    sweep_id, _ = sweep(store, name="nightly")
    done = succeeded(store, artifacts)
    number = data(store, artifacts, "letters")
    store.uploads.begin(3, None, "")
    assert acme.jobs.find(limit=9) == acme.jobs.find(name="nightly", labels=[("team", "a")], limit=9) == []
    assert acme.sweeps.find(limit=9) == acme.uploads.find(limit=9) == acme.evaluations.find(limit=9) == []
    assert acme.datasets.all() == acme.models.all() == acme.aliases.all() == []
    assert [acme.jobs.get(mine), acme.jobs.cancel(mine), acme.jobs.delete(done), acme.sweeps.get(sweep_id)] == [
        None
    ] * 4
    assert (acme.datasets.version("letters", number), acme.datasets.delete("letters")) == (None, None)
    assert acme.jobs.epochs(done) == acme.jobs.events(done) == acme.files.of(owners.of_job(done)) == []
    assert "letters/1" not in acme.datasets.names()
    assert acme.models.made_of(done) is None
    assert not acme.sweeps.cancel(sweep_id)
    assert store.jobs.get(mine) is not None


def test_a_key_of_a_client_is_one_of_its_account(store: Store, acme: Store) -> None:
    for place in (store, acme):
        place.keys.keep(Key("k", "a" * 64, lambda done: {"its": done}), place is store)


def test_lists_are_found_by_labels_of_an_account_alone(store: Store, acme: Store) -> None:
    for place in (store, acme, store):
        submit(place, name="nightly", labels={"team": "a", "unit": "b", "stage": "c"})
    labels = [("team", "a"), ("unit", "b"), ("stage", "c")]
    assert len(acme.jobs.find(name="nightly", labels=labels, limit=9)) == 1
    assert len(store.jobs.find(name="nightly", labels=labels, limit=9)) == 2
    sweep(acme, labels={"team": "a"})
    assert store.sweeps.find(labels=[("team", "a")], limit=9) == []
    assert len(acme.sweeps.find(labels=[("team", "a")], limit=9)) == 1


def test_jobs_of_all_accounts_are_claimed_and_trained_together_unless_their_data_are_two(
    store: Store, acme: Store, artifacts: Artifacts, settings: Settings
) -> None:
    workers = Store.open(settings)
    workers.workers.seen("host:1:abc", "train", slots=1)
    both = {submit(store, seed=1), whole("acme", submit(acme, seed=1))}
    claims = workers.runs.claim(None, "host:1:abc/7", most=9)
    assert {claim.job_id for claim in claims} == both
    assert {claim.account for claim in claims} == {"default", "acme"}
    for place, files in ((store, artifacts), (acme, artifacts.of("acme"))):
        data(place, files, "letters")
        submit(place, dataset="letters/1", model="letters")
    assert len(workers.runs.claim(None, "host:1:abc/7", most=9)) == 1
    workers.database.close()


def test_what_a_worker_does_is_of_the_account_whose_job_it_is(store: Store, acme: Store, settings: Settings) -> None:
    workers = Store.open(settings)
    job_id = whole("acme", finished(acme))
    with workers.database.acting(EVERYONE).reader.connect() as connection:
        assert set(connection.scalars(select(events.c.account).where(events.c.job_id == job_id))) == {"acme"}
        assert set(connection.scalars(select(versions.c.account))) == {"acme"}
    waiting = whole("acme", submit(acme))
    (claim,) = workers.runs.claim(waiting, "host:1:abc/7")
    assert workers.stalled.release_dead("host:1:abc/7") == [waiting]
    assert workers.runs.claim(waiting, "host:1:abc/8")[0].attempt == claim.attempt + 1
    with workers.database.acting(EVERYONE).reader.connect() as connection:
        assert set(connection.scalars(select(events.c.account).where(events.c.job_id == waiting))) == {"acme"}
    workers.database.close()


@pytest.mark.parametrize(
    "asked",
    [
        lambda: text("SELECT id FROM jobs"),
        lambda: text("UPDATE models SET newest = 9"),
        lambda: text("DELETE FROM datasets AS d WHERE d.name = 'x'"),
        lambda: text("INSERT INTO events (job_id) VALUES ('x')"),
        lambda: text("SELECT 1 FROM jobs AS j JOIN versions AS v ON v.account = j.id"),
        lambda: text("SELECT 1 FROM jobs AS j JOIN versions AS v ON v.account = j.account"),
        lambda: text('select id from "jobs"'),
        lambda: text("SELECT id FROM webhooks w, jobs j WHERE w.account = :a").bindparams(a="acme"),
        lambda: text("SELECT id FROM jobs WHERE jobs.name = 'jobs.account = ?' -- jobs.account = ?"),
        lambda: text("WITH its AS (SELECT id FROM jobs) SELECT id FROM its"),
        lambda: text("REPLACE INTO events (job_id) VALUES ('account')"),
        lambda: text("INSERT INTO models SELECT * FROM models WHERE models.account = :a").bindparams(a="acme"),
        lambda: select(jobs.c.id).join(versions, full=True, onclause=versions.c.job_id == jobs.c.id),
        lambda: select(jobs.c.id).select_from(jobs.join(versions, versions.c.job_id == jobs.c.id, full=True)),
        lambda: select(events.c.number).join(dataset_versions, isouter=True),
        lambda: update(jobs).where(jobs.c.id == events.c.job_id).values(name="x"),
    ],
)
def test_a_statement_that_binds_no_account_is_refused(store: Store, asked: Callable[[], object]) -> None:
    with pytest.raises(Unbound), store.database.writer.begin() as connection:
        connection.execute(asked())  # type: ignore[call-overload]


def test_a_text_that_names_a_table_does_not_ask_for_it(store: Store) -> None:
    with store.database.reader.connect() as connection:
        assert connection.scalar(text("SELECT 'from jobs, models' /* update jobs */")) == "from jobs, models"
        for asked in (
            "SELECT count(*) FROM jobs j WHERE j.account = :a",
            "SELECT count(*) FROM jobs AS j JOIN versions v ON v.account = j.account WHERE :a = j.account",
            'SELECT count(*) FROM "models" WHERE "models"."account" IN (:a)',
        ):
            assert connection.scalar(text(asked), {"a": "acme"}) == 0


@pytest.mark.parametrize("within", [False, True], ids=["joined", "within a FROM"])
def test_what_an_outer_join_finds_is_of_the_account_and_what_it_does_not_find_is_none(
    store: Store, acme: Store, artifacts: Artifacts, *, within: bool
) -> None:
    waiting, theirs = submit(store), succeeded(acme, artifacts.of("acme"), seed=3)
    any_version = versions.alias()
    on = (any_version.c.job_id == jobs.c.id) | (jobs.c.state == "queued")
    query = select(jobs.c.id, any_version.c.model)
    joined = jobs.join(any_version, on, isouter=True).join(models, models.c.name == any_version.c.model, isouter=True)
    query = query.select_from(joined) if within else query.join(any_version, on, isouter=True)
    with store.database.reader.connect() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [(waiting, None)]
    with acme.database.reader.connect() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [(theirs, "mnist")]
    with store.of(EVERYONE).database.reader.connect() as connection:
        assert [row.model for row in connection.execute(query)] == ["mnist"] * 2, "as it is without an account"


def test_who_acts_for_nobody_looks_nothing_up_by_a_name(settings: Settings) -> None:
    workers = Store.open(settings)
    submit(workers.of("default"))
    with workers.database.reader.connect() as connection:
        assert len(connection.scalars(select(jobs.c.id)).all()) == 1
        for table in (models, versions, datasets):
            with pytest.raises(Unbound):
                connection.execute(select(table))
    with workers.database.writer.begin() as connection, pytest.raises(Unbound):
        connection.execute(insert(models).values(name="m", newest=1, created_at=1))
    workers.database.close()


def test_everyone_is_counted_by_who_says_so(store: Store, acme: Store) -> None:
    submit(store)
    submit(acme)
    with store.of(EVERYONE).database.reader.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(jobs)) == 2


def test_every_table_that_belongs_to_an_account_is_bound(store: Store) -> None:
    whose = {"accounts", "api_keys", "audit", "grants", "shares", "usage"}
    owned = {table.name for table in metadata.tables.values() if "account" in table.c and table.name not in whose}
    with store.database.reader.connect() as connection:
        for name in sorted(owned):
            assert connection.execute(select(metadata.tables[name])).all() == []
            with pytest.raises(Unbound):
                connection.execute(text(f"SELECT * FROM {name}"))
