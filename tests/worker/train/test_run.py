"""A run of a job, in this process: real store, real files, a small real network."""

import dataclasses
import threading
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
from service.store.engine import now_ms
from service.store.runs import Claim, Runs, StopRequest
from service.store.store import Store
from service.store.tables import jobs
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.doubles import Bell
from tests.waiting import wait_until
from tests.worker.training import found, interrupted, kept, submit, trained
from worker.errands.describe import describe
from worker.errands.draw_job import draw
from worker.reconcile import reconcile
from worker.train.lease import Lease
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
    found_out = store.files.of("models/default/1")
    assert {file.name for file in found_out} > {"golden.safetensors", "novelty.safetensors", "card.json"}
    assert {str(path.relative_to(artifacts.folder)) for path in kept(artifacts, job.id)} == {
        file.key for file in [*pointers, *found_out]
    }
    for file in pointers:
        artifacts.read(file.key, file.sha256)


def test_a_bell_for_nothing_is_answered_quietly(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    run("nobody", store, artifacts, settings, owner="worker")


def test_a_job_whose_worker_died_goes_on_after_its_last_epoch_with_the_same_bits(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = interrupted(store, artifacts, settings)
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert job.weights_sha256 == undisturbed.weights_sha256
    epochs = store.jobs.epochs(job_id)
    assert [(row.epoch, row.attempt) for row in epochs] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [row.losses for row in epochs] == [row.losses for row in store.jobs.epochs(undisturbed.id)]


@pytest.mark.parametrize("name", ["last.safetensors", "last.state.safetensors"])
@pytest.mark.parametrize("damage", ["flipped", "torn", "gone"])
def test_a_damaged_checkpoint_costs_time_and_no_bits(
    store: Store, artifacts: Artifacts, settings: Settings, name: str, damage: str
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = interrupted(store, artifacts, settings)
    pointer = store.files.get(owners.of_job(job_id), name)
    assert pointer is not None
    path = artifacts.path(pointer.key)
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            content[:-1] + bytes([content[-1] ^ 1]) if damage == "flipped" else content[: len(content) // 2]
        )
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.weights_sha256) == ("succeeded", undisturbed.weights_sha256)
    assert [row.epoch for row in store.jobs.epochs(job_id)] == [1, 2, 3, 4]


def test_a_job_that_can_not_be_trained_fails_with_the_reason(
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


def claimed(store: Store) -> Claim:
    (claim,) = store.runs.claim(submit(store), "worker")
    return claim


def test_a_lease_is_renewed_while_it_is_held(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    before = found(store, claim.job_id).lease_expires_at
    quick = settings.model_copy(update={"poll_seconds": 0.01, "heartbeat_seconds": 0.02})
    with Lease(store.runs, [claim], quick) as lease:
        wait_until(lambda: found(store, claim.job_id).lease_expires_at > before, timeout=10, what="a renewal")
        assert not lease.lost(claim)


def test_a_lease_that_was_lost_says_stop(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    with Lease(store.runs, [claim], settings.model_copy(update={"poll_seconds": 0.01})) as lease:
        store.runs.fail(claim, {})
        wait_until(lambda: lease.lost(claim), timeout=10, what="the lease to be seen as lost")


def test_a_lease_that_can_not_be_renewed_in_time_counts_as_lost(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    # The database is asked only every ten seconds, and the lease lasts a fraction of one.
    slow = settings.model_copy(update={"poll_seconds": 0.01, "lease_seconds": 0.1})
    with Lease(store.runs, [claim], slow) as lease:
        wait_until(lambda: lease.lost(claim), timeout=10, what="two thirds of the lease to pass")


class SlowRuns:
    """A store of runs whose first renewal hangs until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.renewals = threading.Event(), 0

    def renew(self, claims: list[Claim]) -> dict[str, StopRequest | None]:
        assert self.let_go.wait(30)
        self.renewals += 1
        return self.look(claims)

    def look(self, claims: list[Claim]) -> dict[str, StopRequest | None]:
        return dict.fromkeys(claim.job_id for claim in claims)


def test_a_lease_that_was_lost_once_is_not_won_back(store: Store, settings: Settings) -> None:
    # Training has stopped in the middle of an epoch by then, and must not be taken for finished.
    runs, claim = SlowRuns(), claimed(store)
    quick = settings.model_copy(update={"poll_seconds": 0.01, "heartbeat_seconds": 0.02, "lease_seconds": 0.5})
    with Lease(runs, [claim], quick) as lease:  # type: ignore[arg-type]
        wait_until(lambda: lease.lost(claim), timeout=10, what="two thirds of the lease to pass")
        runs.let_go.set()
        wait_until(lambda: runs.renewals >= 2, timeout=10, what="a renewal that succeeds")
        assert lease.lost(claim)


@pytest.mark.parametrize(("waiting", "rung"), [(0, True), (3, False), (None, False)])
def test_jobs_are_rung_again_only_while_no_ring_waits_at_the_broker(
    store: Store, waiting: int | None, rung: bool
) -> None:
    job_id = submit(store)
    bell = Bell(waiting)
    reconcile(store, bell, ring_again_seconds=-1)  # type: ignore[arg-type]
    assert (bell.rung == [job_id]) is rung


def test_a_job_whose_lease_expired_is_rung_at_once(store: Store) -> None:
    claim = claimed(store)
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(lease_expires_at=now_ms() - 1))
    bell = Bell(waiting=3)
    reconcile(store, bell, ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == [claim.job_id]


@pytest.mark.parametrize("plot", ["loss", "accuracy", "confusion", "mistakes"])
def test_a_plot_is_drawn_once_for_each_state_of_the_job(
    store: Store, artifacts: Artifacts, settings: Settings, plot: str
) -> None:
    job = trained(store, artifacts, settings)
    draw(job.id, plot, store, artifacts)
    first = store.files.get(owners.of_job(job.id), f"{plot}.png")
    assert first is not None
    assert first.epoch == 4
    assert artifacts.read(first.key, first.sha256).startswith(b"\x89PNG")
    draw(job.id, plot, store, artifacts)
    assert store.files.get(owners.of_job(job.id), f"{plot}.png") == first


def test_a_job_that_is_gone_or_has_no_epoch_is_not_drawn(store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store)
    for each in (job_id, "nobody"):
        draw(each, "loss", store, artifacts)
    assert store.files.of(owners.of_job(job_id)) == []


def test_a_data_set_that_can_not_be_had_is_described_as_such(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    store.datasets.add("unheard-of", "builtin")
    describe("unheard-of", store, artifacts, settings)
    row = store.datasets.get("unheard-of")
    assert row is not None
    assert row.state == "failed"
    assert "unheard-of" in row.error


def test_trials_that_others_leave_behind_are_stopped_and_say_so(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    rates = [0.01, 0.001, 0.0001, 0.00001]
    sweep = SweepSpec.model_validate(
        {
            "base": {"dataset": "digits", "hidden_sizes": [8], "epochs": 4},
            "grid": {"learning_rate": rates},
            "halving": {"reduction": 2, "min_epochs": 1},
        }
    )
    _, ids = store.sweeps.submit(sweep, expand(sweep, {"digits"}))
    run(ids[0], store, artifacts, settings, owner="worker")
    ended = [found(store, job_id) for job_id in ids]
    assert {job.state for job in ended} == {"succeeded"}
    told = [(job.result["epochs"], job.result["stopped_early"]) for job in ended]
    assert told[0] == (4, None)
    assert told[-1] == (1, "halving")


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
