"""Whether a new version becomes champion: on the same examples, by conditions, told with both figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.examples import TEST, TRAIN, Examples
from models.data.learned import LEARNED
from models.data.load import load_builtin
from models.data.schema import Column, Table
from models.data.split import prepare
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.aliases import alone
from service.store.engine import Row
from service.store.errors import ChampionChanged
from service.store.files import withdraw_names
from service.store.promotion import Promotion, Verdict
from service.store.states import spec_of
from service.store.store import Store
from tests.records import damage
from tests.worker.training import learnable, submit, trained
from worker.comparison.contest import Contest
from worker.comparison.unlearned import forget
from worker.train.assess import assess_best
from worker.train.run import run


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested in test_concurrent.py and below the worker."""
    return sqlite_url


GOOD: dict[str, Any] = {"epochs": 6}
POOR: dict[str, Any] = {"epochs": 1, "learning_rate": 0.001}


def champion(store: Store) -> int | None:
    row = store.models.champion("digits")
    return None if row is None else int(row.version)


def facts(store: Store, version: int) -> dict[str, Any]:
    row = store.models.version("digits", version)
    assert row is not None
    return dict(row.facts)


def decided(store: Store, job: Row) -> dict[str, Any]:
    assert job.version is not None
    assert (job.version["model"], job.state) == ("digits", "succeeded")
    return dict(job.version)


def test_what_learned_on_more_data_is_compared_on_the_same_examples(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    trained(store, artifacts, settings, **POOR, validation_fraction=0.4)
    assert champion(store) == 1
    first = facts(store, 1)["comparison"]
    assert (first["champion"], first["champion_value"], first["part"]) == (None, None, "validation")

    better = trained(store, artifacts, settings, **GOOD, split_seed=7)
    assert (champion(store), decided(store, better)["promoted"]) == (2, True)
    found = facts(store, 2)["comparison"]
    assert (found["champion"], found["dataset"], found["part"]) == (1, "digits", "validation")
    assert found["metric"] == "accuracy"
    assert found["examples"] + found["left_out"] == 360
    assert 150 < found["left_out"] < 280, "about the share that the champion has learned from"
    assert found["value"] > found["champion_value"]
    low, high = found["interval"]
    assert low < found["difference"] < high
    assert found["difference"] == pytest.approx(found["value"] - found["champion_value"])
    assert 0 <= found["p"] < 0.01

    worse = trained(store, artifacts, settings, **POOR, seed=3)
    assert champion(store) == 2
    because = decided(store, worse)["not_promoted_because"]
    mine = facts(store, 3)["comparison"]
    assert because == (
        f"its accuracy on {mine['examples']} examples (validation of digits), {mine['value']:.4f}, does not exceed "
        f"that of the champion, version 2, {mine['champion_value']:.4f}"
    )
    told = [event.type for event in store.jobs.events(worse.id) if event.type != "epoch"]
    assert told == ["state", "state", "version.made", "version.refused", "state"]
    assert store.jobs.events(worse.id)[-1].data["version"] == worse.version
    told = [event.type for event in store.jobs.events(better.id) if event.type != "epoch"]
    assert told == ["state", "state", "version.made", "alias.moved", "state"]
    rows = store.models.decisions("digits", limit=9)
    told = [(row.version, row.promoted, row.because) for row in rows]
    assert told == [(3, False, because), (2, True, None), (1, True, None)]


def test_equal_networks_are_not_better(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    trained(store, artifacts, settings)
    same = trained(store, artifacts, settings)
    assert "does not exceed that of the champion, version 1" in decided(store, same)["not_promoted_because"]
    found = facts(store, 2)["comparison"]
    assert (found["difference"], found["p"]) == (0.0, 1.0)


@pytest.fixture(scope="module")
def digits() -> Examples:
    return load_builtin("digits", Path())


def some(examples: Examples, rows: slice) -> Examples:
    chosen = np.arange(len(examples.labels))[rows]
    return replace(examples.take(chosen), known_digest=None)


def named(store: Store, name: str) -> list[str | None]:
    """Give for each version of a model why it was not promoted, the first one first."""
    return [row.because for row in reversed(store.models.decisions(name, limit=9))]


def test_appended_data_are_learned_from_and_who_is_better_is_promoted(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    """Every night: what was learned from by either is left out, whatever the validation part is by then."""
    first = learnable(store, artifacts, "letters", some(digits, slice(0, 900)))
    trained(store, artifacts, settings, dataset=first, stratify=True, epochs=1)
    second = learnable(store, artifacts, "letters", some(digits, slice(0, 1797)))
    trained(store, artifacts, settings, dataset=second, stratify=True, epochs=6)
    trained(store, artifacts, settings, dataset=second, stratify=True, epochs=1, seed=1)
    assert [because is None for because in named(store, "letters")] == [True, True, False]
    found = store.models.decisions("letters", limit=1)[0].comparison
    assert (found["dataset"], found["champion"], found["left_out"]) == ("letters/2", 2, found["left_out"])


def test_the_examples_that_are_named_decide(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    parts = np.full(597, TRAIN, np.uint8)
    parts[:200] = TEST
    held_out = learnable(store, artifacts, "held", replace(some(digits, slice(1200, 1797)), parts=parts))
    whole = learnable(store, artifacts, "whole", some(digits, slice(1000, 1500)))
    data = learnable(store, artifacts, "letters", some(digits, slice(0, 1200)))
    rule = {"dataset": data, "stratify": True, "evaluate_on": held_out}
    trained(store, artifacts, settings, **rule, epochs=4, promote_min_value=0.999)
    trained(store, artifacts, settings, **rule, epochs=4)
    trained(store, artifacts, settings, **rule | {"evaluate_on": whole}, epochs=8)
    below, none, better = store.models.decisions("letters", limit=3)[::-1]
    assert below.because.startswith("its accuracy on 200 examples (test of held/1), 0.")
    assert below.because.endswith("is below promote_min_value, 0.999")
    assert (none.because, none.comparison["champion"], none.comparison["left_out"]) == (None, None, 0)
    assert (better.because, better.comparison["part"], better.comparison["champion"]) == (None, "all", 2)
    assert 140 < better.comparison["left_out"] < 180, "of the 200 that are in both"
    assert better.comparison["examples"] + better.comparison["left_out"] == 500


def test_too_few_examples_that_neither_has_learned_from_are_refused(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    data = learnable(store, artifacts, "few", some(digits, slice(0, 120)))
    for epochs in (20, 30):
        trained(store, artifacts, settings, dataset=data, stratify=True, epochs=epochs)
    assert named(store, "few") == [
        None,
        "24 examples are too few to compare by, less than 30 (validation of few/1); name a data set in evaluate_on",
    ]
    everything = learnable(store, artifacts, "same", some(digits, slice(0, 110)))
    trained(store, artifacts, settings, dataset=data, stratify=True, evaluate_on=everything)
    because = str(named(store, "few")[-1])
    assert "(all of same/1, without " in because
    assert "that it or the champion has learned from); name a data set in evaluate_on" in because


def test_examples_that_were_deleted_meanwhile_are_told(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    held = learnable(store, artifacts, "held", some(digits, slice(0, 90)))
    job_id = submit(store, evaluate_on=held)
    artifacts.remove(store.datasets.delete("held") or ())
    run(job_id, store, artifacts, settings, owner="worker")
    assert named(store, "digits") == [
        "the data set that evaluate_on names, held/1, cannot be read: version 1 of the data set 'held' is not there "
        "any more; name another in evaluate_on"
    ]
    assert champion(store) is None


def test_a_champion_that_cannot_be_read_or_takes_in_something_else_stays_and_it_is_told(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    small = learnable(
        store,
        artifacts,
        "small",
        Examples(
            digits.values[:, ::2, ::2], digits.labels, digits.schema.model_copy(update={"height": 14, "width": 14})
        ),
    )
    trained(store, artifacts, settings, **POOR)
    trained(store, artifacts, settings, dataset=small, model="digits", stratify=True, **GOOD)
    because = str(named(store, "digits")[-1])
    assert because.startswith(
        "the champion, version 1, cannot be measured on the same examples: the pictures are 14 x 14"
    )
    assert "PUT /models/digits/aliases/champion promotes the new version by hand" in because
    damage(store, artifacts, "digits", 1)
    trained(store, artifacts, settings, **GOOD)
    because = str(named(store, "digits")[-1])
    assert because.startswith("the champion, version 1, cannot be read any more: ")
    assert str(artifacts.folder) not in because
    for file in store.files.of(owners.of_version("digits", 1)):
        artifacts.path(file.key).unlink()
    trained(store, artifacts, settings, **GOOD)
    assert "the champion, version 1, cannot be read any more: No such file" in str(named(store, "digits")[-1])
    assert champion(store) == 1
    trained(store, artifacts, settings, promote="always", **GOOD)
    trained(store, artifacts, settings, promote_margin=0.5, **GOOD)
    assert "by more than promote_margin, 0.5" in str(named(store, "digits")[-1])


def test_a_champion_that_does_not_know_a_class_that_appeared_is_wrong_there(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    few = np.flatnonzero(digits.labels < 9)
    known = digits.schema.model_copy(update={"classes": tuple("012345678")})
    nine = learnable(store, artifacts, "letters", Examples(digits.values[few], digits.labels[few], known))
    trained(store, artifacts, settings, dataset=nine, stratify=True, **GOOD)
    ten = learnable(store, artifacts, "letters", some(digits, slice(None)))
    trained(store, artifacts, settings, dataset=ten, stratify=True, metric="log_loss", **GOOD)
    found = store.models.decisions("letters", limit=1)[0]
    assert (found.promoted, found.comparison["champion_value"], found.comparison["interval"]) == (True, None, None)
    trained(store, artifacts, settings, dataset=nine, stratify=True, promote_worst_class_drop=0.1, seed=1, **GOOD)
    because = store.models.decisions("letters", limit=1)[0]
    assert because.comparison["champion"] == 2


def table(rows: slice, levels: tuple[str, ...], *, all_columns: bool = True) -> Examples:
    """Give rows of a table in which the colour, a level, and a number tell the class; levels in any order."""
    random = np.random.default_rng(5)
    colours, numbers = random.integers(0, 3, 400), random.normal(0, 1, 400)[rows]
    colours[:200] %= 2  # blue comes later
    colours = colours[rows]
    labels = ((colours == 1) | (numbers > 1)).astype(np.int64)
    places = np.array([levels.index(name) if name in levels else np.nan for name in ("red", "green", "blue")])
    columns = (
        Column(name="colour", type="category", levels=levels, missing=True),
        Column(name="size", type="number"),
    )
    values = np.stack([places[colours], numbers], axis=1)
    kept = slice(None) if all_columns else slice(1, 2)
    schema = Table(columns=columns[kept], label="kind", classes=("no", "yes"))
    return Examples(np.ascontiguousarray(values[:, kept]), labels, schema)


def test_rows_of_a_table_are_compared_by_the_names_of_columns_and_levels(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    rule = {"model": "rows", "stratify": True, "batch_size": 16}
    first = learnable(store, artifacts, "rows", table(slice(0, 200), ("red", "green")))
    trained(store, artifacts, settings, dataset=first, epochs=30, **rule)
    second = learnable(store, artifacts, "rows", table(slice(0, 400), ("blue", "green", "red")))
    trained(store, artifacts, settings, dataset=second, epochs=1, learning_rate=0.0001, **rule)
    worse = store.models.decisions("rows", limit=1)[0]
    assert not worse.promoted
    assert worse.comparison["champion_value"] > 0.8, "its levels have other places, and blue it does not know"
    assert worse.comparison["left_out"] == 17, "as many as are in the one part then and in the other now"
    less = learnable(store, artifacts, "rows", table(slice(0, 400), ("blue", "green", "red"), all_columns=False))
    trained(store, artifacts, settings, dataset=less, epochs=30, **rule)
    because = str(named(store, "rows")[-1])
    assert "the champion, version 1, cannot be measured on the same examples: the data set lacks columns" in because
    assert "colour" in because


def test_a_champion_of_which_is_not_known_what_it_learned_from(
    store: Store, artifacts: Artifacts, settings: Settings, digits: Examples
) -> None:
    data = learnable(store, artifacts, "letters", some(digits, slice(0, 1200)))
    held = learnable(store, artifacts, "held", some(digits, slice(1200, 1797)))
    trained(store, artifacts, settings, dataset=data, stratify=True, model="digits", epochs=1)
    with store.database.writer.begin() as connection:  # as a version of an earlier release
        withdraw_names(connection, owners.of_version("digits", 1), [LEARNED])
    trained(store, artifacts, settings, **POOR, seed=1)
    assert facts(store, 2)["comparison"]["champion"] == 1, "it is drawn again"
    artifacts.remove(store.datasets.delete("letters") or ())
    forget()
    trained(store, artifacts, settings, **GOOD)
    because = str(facts(store, 3)["not_promoted_because"])
    assert because.startswith("not all that the champion, version 1, learned from is known any more (")
    assert "name a data set in evaluate_on that neither can have learned from" in because
    trained(store, artifacts, settings, evaluate_on=held, **GOOD)
    assert (champion(store), facts(store, 4)["comparison"]["learned_unknown"]) == (4, True)


def test_of_whom_nobody_knows_any_more_with_whose_weights_it_began_that_is_told(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, **POOR)
    with store.database.writer.begin() as connection:  # as a version of an earlier release
        withdraw_names(connection, owners.of_version("digits", 1), [LEARNED])
    artifacts.remove(store.jobs.delete(job.id) or ())
    forget()
    trained(store, artifacts, settings, **GOOD)
    because = str(named(store, "digits")[-1])
    assert f"(job {job.id} was deleted, and with it whether that went on from another one)" in because
    assert champion(store) == 1


def test_a_champion_that_was_moved_while_it_was_compared_is_compared_anew(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    trained(store, artifacts, settings, **POOR)
    trained(store, artifacts, settings, promote="never", **GOOD)
    candidate = trained(store, artifacts, settings, promote="never", seed=5, epochs=2)
    seen = list[int | None]()

    def put(verdict: Verdict) -> Verdict:
        seen.append(verdict.champion)
        if len(seen) == 1:  # somebody promotes a better one, between the measuring and the writing
            store.aliases.point("digits", "champion", alone(2))
            raise ChampionChanged("digits")
        return verdict

    contest = contest_of(store, artifacts, settings, candidate)
    verdict = contest.settle(put)
    assert seen == [1, 2]
    assert "does not exceed that of the champion, version 2" in str(verdict.obstacle)

    def moved_again(verdict: Verdict) -> Verdict:
        if not verdict.is_final:
            raise ChampionChanged("digits")
        return verdict

    assert "moved again and again" in str(contest.settle(moved_again).obstacle)


def contest_of(store: Store, artifacts: Artifacts, settings: Settings, job: Row) -> Contest:
    spec = TrainingSpec.model_validate(spec_of(job))
    findings, candidate = assess_best(job.id, spec, prepare(spec, settings.data), store, artifacts, settings)
    artifacts.remove([file.key for file in findings.files])
    return Contest("digits", "accuracy", Promotion("if_better"), candidate, store, artifacts, settings)
