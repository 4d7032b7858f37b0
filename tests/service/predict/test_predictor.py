"""Which network answers: looked up seldom, loaded once, followed soon."""

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event, update

from service.artifacts import Artifacts
from service.errors import Damaged
from service.predict.predictor import FRESH_SECONDS, Predictor
from service.predict.served import Served
from service.store import owners
from service.store.aliases import alone, numbers_in
from service.store.errors import NothingThere
from service.store.files import File
from service.store.store import Store
from service.store.tables import artifacts as artifact_table
from tests.doubles import Clock
from tests.records import damage, succeeded, weights


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the questions that are asked of the record are tested on both databases by the store's tests."""
    return sqlite_url


@pytest.fixture
def questions(store: Store) -> list[str]:
    """What the record is asked."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement != "BEGIN":
            asked.append(statement)

    event.listen(store.database.reader, "before_cursor_execute", note)
    return asked


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


async def found(look: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, as clients do, until the answer is the one that is awaited."""
    while not await look():
        await asyncio.sleep(0.01)


def test_many_who_ask_at_once_are_answered_by_one_lookup(
    store: Store, artifacts: Artifacts, questions: list[str]
) -> None:
    succeeded(store, artifacts)
    questions.clear()

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        served = await asyncio.gather(*(predictor.find(None) for _ in range(50)))
        assert len(set(map(id, served))) == 1
        one_lookup = len(questions)
        assert one_lookup < 10
        clock.now += FRESH_SECONDS / 2
        assert await predictor.find(None) is served[0]
        assert len(questions) == one_lookup

    run(test())


def test_the_newest_model_is_followed_though_nobody_waits_for_the_record(store: Store, artifacts: Artifacts) -> None:
    first = succeeded(store, artifacts, seed=1)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        assert (await predictor.find(None)).model.job_id == first
        second = await asyncio.to_thread(succeeded, store, artifacts, seed=2, val_accuracy=0.9)
        clock.now += FRESH_SECONDS * 0.9
        assert (await predictor.find(None)).model.job_id == first  # nobody waits, but the record is asked

        async def is_followed() -> bool:
            return (await predictor.find(None)).model.job_id == second

        await found(is_followed)

    run(test())


def test_who_asks_after_a_silence_gets_the_newest_at_once(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, seed=1)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        await predictor.find(None)
        second = await asyncio.to_thread(succeeded, store, artifacts, seed=2, val_accuracy=0.9)
        clock.now += FRESH_SECONDS + 0.01
        assert (await predictor.find(None)).model.job_id == second

    run(test())


def test_one_network_under_two_references_is_loaded_once(store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        by_id, newest = await asyncio.gather(predictor.find(job_id), predictor.find(None))
        assert by_id is newest

    run(test())


def test_a_better_checkpoint_of_the_same_job_is_followed(store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts, seed=1)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        before = await predictor.find(job_id)
        file: File = artifacts.write(owners.of_job(job_id), "best.safetensors", weights(seed=2), epoch=1)
        store.files.publish(owners.of_job(job_id), [file])

        async def is_followed() -> bool:
            return (await predictor.find(job_id)).model.weights_sha256 == file.sha256

        await found(is_followed)
        assert before.model.weights_sha256 != file.sha256

    run(test())


def test_a_job_that_is_deleted_answers_no_more(store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        await predictor.find(job_id)
        store.jobs.delete(job_id)

        async def is_gone() -> bool:
            try:
                await predictor.find(job_id)
            except NothingThere:
                return True
            return False

        await found(is_gone)

    run(test())


def test_who_leaves_does_not_take_the_lookup_of_the_others_along(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        leaving, staying = asyncio.create_task(predictor.find(None)), asyncio.create_task(predictor.find(None))
        await asyncio.sleep(0)
        leaving.cancel()
        assert isinstance(await staying, Served)

    run(test())


def test_no_more_networks_are_kept_than_the_memory_is_meant_for(store: Store, artifacts: Artifacts) -> None:
    ids = [succeeded(store, artifacts, seed=seed) for seed in range(20)]

    async def test() -> None:
        size = 4 * (784 * 20 + 20 + 20 * 10 + 10)
        predictor = Predictor(store, artifacts, memory_bytes=10 * size)
        kept = [weakref.ref(await predictor.find(job_id)) for job_id in ids]
        assert [served() is not None for served in kept] == [False] * 10 + [True] * 10
        for job_id, served in zip(ids[-10:], kept[-10:], strict=True):
            assert await predictor.find(job_id) is served()
        assert (await predictor.find(ids[0])).model.job_id == ids[0]

    run(test())


def test_of_an_alias_that_is_gone_no_shadow_is_kept(store: Store, artifacts: Artifacts) -> None:
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed)
    store.aliases.point("mnist", "test", {"versions": {"1": 1.0}, "shadow": 2})

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock, memory_bytes=1)
        await predictor.find("mnist@test")
        assert predictor.shadow("mnist@test", {1}) is not None
        store.aliases.delete("mnist", "test")
        clock.now += 2 * FRESH_SECONDS
        with pytest.raises(NothingThere):
            await predictor.find("mnist@test")
        assert predictor.shadow("mnist@test", {1}) is None

    run(test())


@dataclass(frozen=True)
class Slow(Artifacts):
    """Files of which one is read slowly: not before the gate is opened."""

    key: str = ""
    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def read(self, key: str, sha256: str) -> bytes:
        if key == self.key:
            self.entered.set()
            assert self.opened.wait(60)
        return super().read(key, sha256)


def test_while_a_large_network_is_loaded_the_others_answer(store: Store, artifacts: Artifacts) -> None:
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    file = store.files.get("models/mnist/1", "weights.safetensors")
    assert file is not None
    slow = Slow(artifacts.folder, key=file.key)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, slow, clock)
        usual = await predictor.find("mnist")
        large = asyncio.ensure_future(predictor.find("mnist/1"))
        try:
            assert await asyncio.to_thread(slow.entered.wait, 10)
            clock.now += 2 * FRESH_SECONDS
            assert await asyncio.wait_for(predictor.find("mnist"), timeout=10) is usual
            await asyncio.wait_for(asyncio.to_thread(predictor.forget, "mnist"), timeout=10)
        finally:
            slow.opened.set()
        assert (await large).model.version == 1

    run(test())


@pytest.mark.parametrize("damage", ["flipped", "gone", "unreadable", "another network"])
def test_a_new_version_that_cannot_be_loaded_leaves_the_one_before_answering(
    store: Store, artifacts: Artifacts, damage: str
) -> None:
    succeeded(store, artifacts, seed=1)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        before = await predictor.find(None)
        assert before.model.version == 1
        await asyncio.to_thread(succeeded, store, artifacts, seed=2, val_accuracy=0.9)
        weights_file = store.files.get("models/mnist/2", "weights.safetensors")
        assert weights_file is not None
        path = artifacts.path(weights_file.key)
        if damage == "another network":
            golden_of_another = store.files.get("models/mnist/1", "golden.safetensors")
            assert golden_of_another is not None
            published = store.files.get("models/mnist/2", "golden.safetensors")
            assert published is not None
            values = {"key": golden_of_another.key, "sha256": golden_of_another.sha256}
            with store.database.writer.begin() as connection:
                connection.execute(update(artifact_table).where(artifact_table.c.key == published.key).values(values))
        elif damage == "gone":
            path.unlink()
        elif damage == "unreadable":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(path.read_bytes()[:-1] + b"\1")
        clock.now += 2 * FRESH_SECONDS
        assert await predictor.find(None) is before
        assert await predictor.find("mnist@champion") is before, "by whatever name it is asked for"
        assert "version 2 of model mnist cannot be used" in str(predictor.refusal("mnist@champion", {2}))
        with pytest.raises(Damaged):
            await predictor.find("mnist/2")
        store.aliases.point("mnist", "champion", alone(1))
        clock.now += 2 * FRESH_SECONDS
        assert (await predictor.find(None)).model.version == 1
        assert predictor.refusal("mnist@champion", {2}) is None

    run(test())


def test_a_refusal_is_told_of_what_the_alias_points_to_now(store: Store, artifacts: Artifacts) -> None:
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed)
    store.aliases.point("mnist", "champion", alone(1))
    weights_file = store.files.get("models/mnist/2", "weights.safetensors")
    assert weights_file is not None
    artifacts.path(weights_file.key).unlink()

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        await predictor.find("mnist")
        moved, _ = store.aliases.point("mnist", "champion", alone(2))
        clock.now += 2 * FRESH_SECONDS
        assert (await predictor.find("mnist")).model.version == 1
        assert "version 2" in str(predictor.refusal("mnist@champion", numbers_in(moved.targets)))
        back, _ = store.aliases.point("mnist", "champion", alone(1))
        assert predictor.refusal("mnist@champion", numbers_in(back.targets)) is None, "though nobody asked since"

    run(test())


def test_promotion_and_rollback_are_followed(store: Store, artifacts: Artifacts) -> None:
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        assert (await predictor.find("mnist")).model.version == 2
        store.aliases.roll_back("mnist", "champion")
        clock.now += FRESH_SECONDS + 0.01
        assert (await predictor.find("mnist")).model.version == 1

    run(test())


def test_a_shadow_takes_its_share_of_the_memory_and_leaves_with_its_alias(store: Store, artifacts: Artifacts) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock, memory_bytes=2 * 4 * (784 * 20 + 20 + 20 * 10 + 10))
        store.aliases.point("mnist", "test", alone(1) | {"shadow": 2})
        assert (await predictor.find("mnist@test")).model.version == 1
        shadow = weakref.ref(await predictor.find("mnist/2"))
        assert shadow() is not None, "it is loaded once, whoever asks it"
        assert store.aliases.delete("mnist", "test")
        clock.now += 2 * FRESH_SECONDS
        for number in (3, 1):
            assert (await predictor.find(f"mnist/{number}")).model.version == number
        assert shadow() is None

    run(test())


@dataclass(frozen=True)
class Counted(Artifacts):
    """Files whose readings are counted."""

    read_keys: list[str] = field(default_factory=list)

    def read(self, key: str, sha256: str) -> bytes:
        self.read_keys.append(key)
        return super().read(key, sha256)


def test_a_shadow_that_does_not_fit_beside_those_who_answer_is_not_asked(store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed)
    store.aliases.point("mnist", "test", alone(1) | {"shadow": 2})
    counted = Counted(artifacts.folder)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, counted, clock, memory_bytes=6 * (784 * 20 + 20 + 20 * 10 + 10))
        await predictor.find("mnist@test")
        shadow = predictor.along_with("mnist@test")
        assert shadow is not None
        assert "memory" in str(shadow.why_not)
        answering, count = weakref.ref(await predictor.find("mnist@test")), len(counted.read_keys)
        for _ in range(3):
            clock.now += 2 * FRESH_SECONDS
            assert await predictor.find("mnist@test") is answering(), "it stays loaded"
        assert len(counted.read_keys) == count

    run(test())


@pytest.mark.parametrize("is_shadow_sound", [True, False])
def test_while_an_alias_is_refused_its_shadow_goes_on_counting(
    store: Store, artifacts: Artifacts, caplog: pytest.LogCaptureFixture, *, is_shadow_sound: bool
) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)
    store.aliases.point("mnist", "test", alone(1) | {"shadow": 3})
    for version in [2] if is_shadow_sound else [2, 3]:
        damage(store, artifacts, "mnist", version)

    async def test() -> None:
        clock = Clock()
        predictor = Predictor(store, artifacts, clock)
        await predictor.find("mnist@test")
        shadow = predictor.along_with("mnist@test")
        assert shadow is not None
        store.aliases.point("mnist", "test", alone(2) | {"shadow": 3})
        for _ in range(3):
            clock.now += 2 * FRESH_SECONDS
            assert (await predictor.find("mnist@test")).model.version == 1
            assert predictor.along_with("mnist@test") is shadow
        assert predictor.shadow("mnist@test", {1}) is shadow
        assert predictor.shadow("mnist@test", {2}) is None, "it was compared with another"

    run(test())
    assert sum("the shadow of" in record.message for record in caplog.records) == (0 if is_shadow_sound else 1)


def test_a_version_that_is_deleted_between_looking_and_reading_is_not_called_damaged(
    store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    read = Artifacts.read

    def deleted(self: Artifacts, key: str, sha256: str) -> bytes:
        with monkeypatch.context() as once:
            once.setattr(Artifacts, "read", read)
            if store.models.version("mnist", 1) is not None:
                artifacts.remove(store.models.delete("mnist", 1) or ())
                artifacts.path(key).unlink()
        return read(self, key, sha256)

    async def test() -> None:
        monkeypatch.setattr(Artifacts, "read", deleted)
        with pytest.raises(NothingThere):
            await Predictor(store, artifacts).find("mnist/1")

    run(test())
