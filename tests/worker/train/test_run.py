"""A run of a job, in this process: real store, real files, a small real network."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.claims import Claim
from service.store.runs import Runs
from service.store.store import Store
from service.store.tables import jobs
from tests.worker.training import found, kept, submit, trained
from worker.train.run import run


def test_a_job_is_trained_to_its_end_and_only_what_is_pointed_to_is_kept(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings)
    assert (job.state, job.last_epoch, job.attempt) == ("succeeded", 4, 1)
    pointers = store.files.of(owners.of_job(job.id))
    assert {file.name for file in pointers} == {
        "best.json",
        "best.safetensors",
        "evaluation.json",
        "last.json",
        "last.safetensors",
        "last.state.safetensors",
    }
    found_out = store.files.of("models/digits/1")
    assert {file.name for file in found_out} > {"golden.safetensors", "novelty.safetensors", "card.json"}
    assert {str(path.relative_to(artifacts.folder)) for path in kept(artifacts, job.id)} == {
        file.key for file in [*pointers, *found_out]
    }
    for file in pointers:
        artifacts.read(file.key, file.sha256)
    made_with, about = job.result["made_with"], store.files.get(owners.of_job(job.id), "last.json")
    assert about is not None
    said = json.loads(artifacts.read(about.key, about.sha256))
    assert {name: said[name] for name in ("data_sha256", "versions", "fingerprint")}.items() <= made_with.items()
    assert made_with["processor"]


def test_a_bell_for_nothing_is_answered_quietly(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    run("nobody", store, artifacts, settings, owner="worker")


def test_a_job_that_cannot_be_trained_fails_with_the_reason(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, optimizer="sgd", learning_rate=10.0, hidden_sizes=(300, 300, 300))
    assert (job.state, job.error["type"]) == ("failed", "DivergenceError")
    job = trained(store, artifacts, settings, dataset="vanished")
    assert (job.state, job.error["type"]) == ("failed", "ValueError")


def test_a_job_that_is_cancelled_keeps_what_it_has_learned(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    def train_and_cancel(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            store.jobs.cancel(job_id)

    job_id = submit(store, epochs=1000)
    quick = settings.model_copy(update={"poll_seconds": 0.01})
    run(job_id, store, artifacts, quick, owner="worker", trainer=train_and_cancel)
    job = found(store, job_id)
    assert job.state == "cancelled"
    assert 1 <= job.result["epochs"] < 1000
    assert job.weights_sha256 is not None


def test_jobs_of_equal_shape_are_trained_together_and_each_ends_as_if_it_had_been_alone(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    differences: list[dict[str, Any]] = [{"seed": 1}, {"seed": 2, "epochs": 2}, {"optimizer": "sgd", "momentum": 0.5}]
    alone = [trained(store, artifacts, settings, **fields) for fields in differences]
    together = [submit(store, **fields) for fields in differences]
    run(together[0], store, artifacts, settings, owner="worker")
    for job_id, lonely in zip(together, alone, strict=True):
        job = found(store, job_id)
        assert (job.state, job.weights_sha256) == ("succeeded", lonely.weights_sha256)
        losses = [row.losses for row in store.jobs.epochs(job_id)]
        assert losses == [row.losses for row in store.jobs.epochs(lonely.id)]


def test_a_job_that_diverges_fails_alone_among_those_it_is_trained_with(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 10.0, "weight_decay": 1.0, "epochs": 1000}
    tame, diverging = submit(store), submit(store, **wild)
    run(tame, store, artifacts, settings, owner="worker")
    assert (found(store, tame).state, found(store, diverging).state) == ("succeeded", "failed")
    assert "diverged at epoch" in found(store, diverging).error["message"]


def test_a_spec_that_this_version_does_not_know_fails_alone(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    sound, strange = submit(store), submit(store)
    spec = {**found(store, strange).spec, "momentum": 2.0}
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == strange).values(spec=spec))
    run(sound, store, artifacts, settings, owner="worker")
    assert (found(store, sound).state, found(store, strange).state) == ("succeeded", "failed")
    assert "momentum" in found(store, strange).error["message"]


def test_a_job_taken_from_a_group_is_written_to_no_more_and_the_others_go_on(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    kept_on, taken = submit(store), submit(store, seed=1)

    def train_and_take(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and (record.network, record.epoch) == (1, 2):
                with store.database.writer.begin() as connection:
                    connection.execute(update(jobs).where(jobs.c.id == taken).values(attempt=jobs.c.attempt + 1))

    run(kept_on, store, artifacts, settings, owner="worker", trainer=train_and_take)
    assert found(store, kept_on).state == "succeeded"
    assert (found(store, taken).state, found(store, taken).last_epoch) == ("running", 2)


def test_an_error_of_one_job_fails_it_alone(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    ids = [submit(store, seed=seed) for seed in range(5)]

    def train_but_three(specs: list[TrainingSpec], *arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(specs, *arguments, **options):
            if specs[record.network].seed == 3 and isinstance(record, Epoch) and record.epoch == 2:
                raise KeyError("a checkpoint that does not fit")
            yield record

    run(ids[0], store, artifacts, settings, owner="worker", trainer=train_but_three)
    states = [found(store, job_id).state for job_id in ids]
    assert states == ["succeeded", "succeeded", "succeeded", "failed", "succeeded"]
    undisturbed = trained(store, artifacts, settings, seed=4)
    assert found(store, ids[4]).weights_sha256 == undisturbed.weights_sha256
    assert [row.epoch for row in store.jobs.epochs(ids[4])] == [1, 2, 3, 4]


def test_jobs_whose_recorded_shape_is_not_their_own_are_trained_all_the_same(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    ids = [submit(store), submit(store, hidden_sizes=(9,))]
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(shape="another version's"))
    run(ids[0], store, artifacts, settings, owner="worker")
    assert {found(store, job_id).state for job_id in ids} == {"succeeded"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_worker_without_the_device_it_was_told_to_use_takes_no_job(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = submit(store)
    with pytest.raises(ValueError, match="TENFOLD_DEVICE=cuda"):
        run(job_id, store, artifacts, settings.model_copy(update={"device": "cuda"}), owner="worker")
    assert (found(store, job_id).state, found(store, job_id).attempt) == ("queued", 0)


def test_a_group_that_memory_does_not_suffice_for_is_tried_in_halves_and_a_job_that_it_is_too_small_for_fails(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    ids = [submit(store, seed=seed) for seed in range(5)]
    groups = []

    def train_few(specs: list[TrainingSpec], *arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        groups.append(len(specs))
        if len(specs) > 2 or any(spec.seed == 4 for spec in specs):
            torch.empty(2**60)
        return train(specs, *arguments, **options)

    run(ids[0], store, artifacts, settings, owner="worker", trainer=train_few)
    assert groups == [5, 2, 3, 1, 2, 1, 1]
    assert [found(store, job_id).state for job_id in ids] == ["succeeded"] * 4 + ["failed"]
    assert "memory" in found(store, ids[4]).error["message"]


def test_a_ring_that_comes_while_the_database_is_away_fails_no_job(
    store: Store, artifacts: Artifacts, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(Runs):
        def claim(self, job_id: str | None, owner: str, *, most: int = 1) -> list[Claim]:
            raise OperationalError("SELECT", {}, ConnectionError("nobody answers"))

    job_id = submit(store)
    without = dataclasses.replace(store, runs=Away(store.database, lease_seconds=15))
    assert run(job_id, without, artifacts, settings, owner="worker") == []
    assert "no job could be claimed: nobody answers" in caplog.text
    assert found(store, job_id).state == "queued"
