"""Lists find what they are asked for, whatever the filter, and look at little else; on both databases."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from models.spec import TrainingSpec
from service.settings import Settings
from service.store import postings as module
from service.store.engine import Row, now_ms
from service.store.posting_tables import postings, sweep_postings
from service.store.postings import PAIRED
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from service.store.tables import evaluations, jobs, models, versions
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.conftest import fresh_database
from tests.explained import looked_at
from tests.records import finished, submit, sweep

LABELS = {"team": ["a", "b"], "stage": ["", "x y"], "run": ["1", "2", "3"]}
MANY = {f"k{number}": "v" for number in range(PAIRED)}


def drawn(random_: random.Random) -> dict[str, Any]:
    """Give a name and labels, sometimes more of them than are filed in pairs."""
    labels = {key: random_.choice(values) for key, values in LABELS.items() if random_.random() < 0.7}
    labels |= MANY if random_.random() < 0.3 else {}
    return {"labels": labels, "name": random_.choice([None, "nightly", "x"])}


def filters(random_: random.Random, sweeps: Sequence[str]) -> dict[str, Any]:
    words = [(key, value) for key, values in LABELS.items() for value in values] + list(MANY.items())
    labels = random_.sample(words, random_.choice([0, 1, 1, 2, 2, 3, 4]))
    return {
        "state": random_.choice([None, None, "queued", "paused", "cancelled"]),
        "name": random_.choice([None, None, "nightly", "y"]),
        "sweep_id": random_.choice([None, None, None, *sweeps, "nobody"]),
        "labels": labels,
    }


def wanted(row: Row, asked: dict[str, Any]) -> bool:
    its = {"state": row.state, "name": row.name, "sweep_id": row.sweep_id}
    same = all(asked[name] in {None, value} for name, value in its.items())
    return same and all(row.labels.get(key) == value for key, value in asked["labels"])


def pages(read: Callable[[int | None], Sequence[Row]]) -> list[str]:
    """Follow a list to its end; gives the ids on all pages."""
    found: list[str] = []
    before = None
    while rows := read(before):
        found += [row.id for row in rows]
        before = rows[-1].number
    return found


def test_whatever_is_asked_for_is_found_and_nothing_else(store: Store) -> None:
    random_ = random.Random(5)
    ids = store.submissions.submit([TrainingSpec(**drawn(random_)) for _ in range(60)])
    sweeps = [sweep(store, **drawn(random_), seeds=2)[0] for _ in range(4)]
    for job_id in random_.sample(ids, 25):
        (store.jobs.pause if random_.random() < 0.5 else store.jobs.cancel)(job_id)
    for job_id in random_.sample(ids, 5):
        store.jobs.delete(job_id)
    store.sweeps.cancel(sweeps[0])
    all_jobs = store.jobs.find(limit=1000)
    assert len(all_jobs) == 55 + 4 * 8
    for _ in range(60):
        asked = filters(random_, sweeps)
        found = pages(lambda before, asked=asked: store.jobs.find(**asked, before=before, limit=3))  # type: ignore[misc]
        assert found == [row.id for row in all_jobs if wanted(row, asked)], asked
        of_sweeps = {name: asked[name] for name in ("name", "labels")}
        listed = pages(lambda before, its=of_sweeps: store.sweeps.find(**its, before=before, limit=1))  # type: ignore[misc]
        nobody = {"state": None, "sweep_id": None}
        every = [store.sweeps.get(sweep_id) for sweep_id in reversed(sweeps)]
        same = [row for row in every if row is not None and all(row.labels.get(k) == v for k, v in asked["labels"])]
        assert listed == [row.id for row in same if asked["name"] in {None, row.name}], of_sweeps | nobody


def test_trials_that_differ_in_name_are_found_by_it(store: Store) -> None:
    spec = SweepSpec(trials=[{"name": "one"}, {"name": "two", "epochs": 2}], labels={"team": "a"})
    sweep_id, (one, _) = store.sweeps.submit(spec, expand(spec, {"mnist"}))
    other = submit(store, name="one")
    assert [row.id for row in store.jobs.find(name="one", sweep_id=sweep_id, limit=9)] == [one]
    assert [row.id for row in store.jobs.find(name="one", limit=9)] == [other, one]


def test_what_only_has_the_hash_of_a_word_is_not_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [submit(store, labels={"team": "a"}) for _ in range(5)]
    strange = submit(store, labels={"stage": "x"})
    with store.database.writer.begin() as connection:
        term, number = connection.execute(
            select(postings.c.term, select(jobs.c.number).where(jobs.c.id == strange).scalar_subquery()).limit(1)
        ).one()
        connection.execute(insert(postings).values(term=term, state="queued", number=number))
    rows = store.jobs.find(labels=[("team", "a")], limit=2)
    assert [row.id for row in rows] == [ids[4], ids[3]]


def test_words_of_one_hash_keep_no_job_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "term", lambda *_words, of: 7)
    module._terms.cache_clear()
    labels = {"team": "a", "unit": "b", "more": "c"}
    ids = [submit(store, name="nightly", labels=its) for its in (labels, labels | MANY)]
    module._terms.cache_clear()
    assert [row.id for row in store.jobs.find(labels=[("team", "a")], limit=9)] == ids[::-1]


def test_what_is_filed_goes_with_the_state_and_the_job(store: Store) -> None:
    job_id = finished(store, name="nightly", labels={"team": "a"})
    with store.database.reader.connect() as connection:
        assert set(connection.scalars(select(postings.c.state))) == {"succeeded"}
    store.jobs.delete(job_id)
    sweep_id, _ = sweep(store, labels={"team": "a"})
    store.sweeps.cancel(sweep_id)
    with store.database.reader.connect() as connection:
        assert set(connection.scalars(select(postings.c.state))) == {"cancelled"}
    store.sweeps.delete(sweep_id)
    with store.database.reader.connect() as connection:
        assert connection.execute(select(postings)).all() == connection.execute(select(sweep_postings)).all() == []


MOST = 1600
"""Jobs; half of them have one label, half another, none both; and as with these, so with names and states."""


@pytest.fixture(scope="module", params=list(product(["sqlite", "postgresql"], [False, True])), ids=str)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with many rows in every list, whose database has counted them or not."""
    kind, is_analysed = request.param
    request.param = kind
    folder = tmp_path_factory.mktemp("filled")
    with fresh_database(request, folder) as url:
        store = Store.open(Settings(home=folder, database_url=url)).of(DEFAULT)
        fill(store)
        if is_analysed:
            with store.database.writer.begin() as connection:
                connection.execute(text("ANALYZE"))
        yield store
        store.database.close()


def fill(store: Store) -> None:
    one, other = {"team": "a"}, {"stage": "x"}
    more = dict(list(MANY.items())[:3])
    specs = [
        TrainingSpec(name="even" if number % 2 else "odd", labels={**(one if number % 2 else other), **more})
        for number in range(MOST)
    ]
    store.submissions.submit(specs)
    many = SweepSpec(grid={"learning_rate": [0.1, 0.2]}, seeds=40, name="even", labels=one)
    trials = expand(many, {"mnist"})
    for _ in range(3):
        store.sweeps.submit(many, trials)
    with store.database.writer.begin() as connection:
        for parity, state in enumerate(("succeeded", "failed")):
            connection.execute(update(jobs).where(jobs.c.number % 2 == parity).values(state=state))
        connection.execute(insert(models).values(name="m", newest=MOST, created_at=now_ms()))
        made = {"model": "m", "spec": {}, "weights_sha256": "w", "facts": {}, "created_at": 1, "data_sha256": "d"}
        rows = [{**made, "version": number, "dataset": f"d/{number % 2 + 1}"} for number in range(1, 2 * MOST)]
        connection.execute(insert(versions), rows)
        asked = {"state": "succeeded", "asked": {}, "created_at": 1, "rung_at": 1, "attempt": 1, "model": "m"}
        rows = [
            {
                **asked,
                "id": f"e{number}",
                "version": number % 2 + 1,
                "dataset": "d",
                "dataset_version": number // 2 % 2 + 1,
            }
            for number in range(2 * MOST)
        ]
        connection.execute(insert(evaluations), rows)


def of_jobs(state: str | None) -> Iterator[dict[str, Any]]:
    """Give every combination of the other filters, with matches and without."""
    labels = [
        [],
        [("team", "a")],
        [("team", "a"), ("stage", "x")],
        [("team", "a"), ("k0", "v"), ("k1", "v"), ("z", "z")],
    ]
    for name, its, sweep_of in product([None, "even", "no"], labels, [False, True]):
        yield {"state": state, "name": name, "labels": its, "sweep": sweep_of}


LISTS: dict[str, Callable[[Store, int | None], Any]] = {
    "sweeps": lambda store, before: store.sweeps.find(before=before, limit=21),
    "sweeps of a name": lambda store, before: store.sweeps.find(name="even", before=before, limit=21),
    "sweeps of labels": lambda store, before: store.sweeps.find(
        labels=[("team", "a"), ("z", "")], before=before, limit=9
    ),
    "versions": lambda store, before: store.models.versions("m", before=before, limit=21),
    "learned": lambda store, before: store.datasets.learned(
        "d", 1, after=None if before is None else ("m", before), limit=21
    ),
    "learned from the second": lambda store, before: store.datasets.learned("d", 2, after=None, limit=21),
    "events": lambda store, before: store.jobs.events("nobody", after=before or 0, limit=21),
    "uploads": lambda store, before: store.uploads.find(after=before, limit=21),
    **{
        f"evaluations of {model} on {dataset}": lambda store, before, model=model, dataset=dataset: (  # type: ignore[misc]
            store.evaluations.find(model=model, dataset=dataset, before=before, limit=21)
        )
        for model, dataset in product([None, ("m", None), ("m", 1)], [None, ("d", None), ("d", 2), ("e", None)])
    },
}


FEW = 780


@pytest.mark.parametrize("state", [None, "failed", "paused"])
def test_a_page_of_jobs_costs_what_is_on_it(filled: Store, state: str | None) -> None:
    (newest_sweep,) = filled.sweeps.find(limit=1)
    for asked in of_jobs(state):
        its = {name: value for name, value in asked.items() if name != "sweep"}
        its["sweep_id"] = newest_sweep.id if asked["sweep"] else None
        for before in (None, MOST // 2):
            cost, whole = looked_at(filled, partial(filled.jobs.find, **its, before=before, limit=21))
            assert cost < FEW, asked
            # Without filters it is read by its key, as far as the page goes.
            assert not whole or not any(its.values()), asked


def test_a_page_of_another_list_costs_what_is_on_it(filled: Store) -> None:
    for name, read in LISTS.items():
        for before in (None, MOST // 2):
            cost, whole = looked_at(filled, partial(read, filled, before))
            assert cost < FEW, name
            assert not whole or name.endswith("of None on None"), name
