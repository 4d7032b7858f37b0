"""Delivering: until it arrives, under one id, in order for each job, and nobody waits for somebody else's receiver."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from service.addresses.receivers import Receivers
from service.store import deliveries as store_of_deliveries
from service.store.engine import Row, now_ms
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from service.store.webhook_tables import deliveries, webhooks
from tests.receivers import Receiver, Reply, receiving
from tests.records import claim, submit
from worker.errands.deliveries.deliverer import AT_ONCE, LATER_SECONDS, Deliverer
from worker.errands.deliveries.sender import Sender

HOUR_MS = 3_600_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def hook(store: Store, receiver: Receiver, name: str = "mine", **fields: Any) -> str:
    given = {"url": receiver.url, "events": ["job.*"], "labels": {}, "model": None} | fields
    return store.webhooks.put(name, **given)[1] or ""


def deliverer(store: Store, chance: float = 0.5) -> Deliverer:
    return Deliverer(lambda: store, Sender(Receivers(["127.0.0.1"])), chance=lambda: chance)


def deliver(store: Store, chance: float = 0.5) -> None:
    """Deliver all that is due."""
    asyncio.run(deliverer(store, chance).all())


def later(store: Store) -> None:
    """Let all that waits be due."""
    with store.database.writer.begin() as connection:
        connection.execute(update(deliveries).values(next_at=0))


def rows(store: Store, name: str = "mine") -> list[Row]:
    return [*reversed(store.deliveries.of(name, limit=1000))]


def wait_of(store: Store, row: Row) -> float:
    """Give how many seconds lie between an attempt that has just been made and the next one."""
    with store.database.reader.connect() as connection:
        return float(row.next_at - connection.execute(now_ms().select()).scalar_one()) / 1000


def test_what_happened_arrives_with_its_time_and_nothing_more_is_sent(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    job_id = submit(store, labels={"team": "vision"})
    deliver(store)
    (message,) = receiver.messages
    assert message.path == "/hooks?token=x"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (message.type, message.data["id"], message.data["labels"]) == ("job.queued", job_id, {"team": "vision"})
    assert set(message.json) == {"type", "timestamp", "data"}
    assert message.json["timestamp"].endswith("Z")
    (row,) = rows(store)
    assert (row.state, row.status, row.attempts, row.id) == ("delivered", 204, 1, message.id)
    deliver(store)
    assert len(receiver.messages) == 1


def test_it_is_sent_again_under_its_id_later_each_time_and_given_up_in_the_end(
    store: Store, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Reply(503, body=b"not now\0")
    hook(store, receiver)
    submit(store)
    for number, usual in enumerate(LATER_SECONDS, start=1):
        later(store)
        deliver(store)
        (row,) = rows(store)
        assert (row.state, row.attempts, row.status, row.problem) == ("waiting", number, 503, "it answered 503")
        assert abs(wait_of(store, row) - usual) < 2 + usual * 0.001
    later(store)
    deliver(store)
    (row,) = rows(store)
    assert (row.state, row.attempts, row.response) == ("failed", 10, "not now\N{REPLACEMENT CHARACTER}")
    assert len({message.id for message in receiver.messages}) == 1
    assert len(receiver.messages) == 10
    assert (LATER_SECONDS[0], LATER_SECONDS[-1]) == (5, 24 * 3600)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 4.5), (1.0, 5.5)])
def test_receivers_that_were_away_are_not_asked_by_all_at_one_moment(
    store: Store, receiver: Receiver, chance: float, seconds: float
) -> None:
    receiver.answer = lambda _: Reply(500)
    hook(store, receiver)
    submit(store)
    deliver(store, chance)
    assert abs(wait_of(store, rows(store)[0]) - seconds) < 0.4


def test_who_asks_to_be_left_alone_for_a_while_is(store: Store, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(429, {"Retry-After": "90"})
    hook(store, receiver)
    submit(store)
    deliver(store)
    assert 88 < wait_of(store, rows(store)[0]) <= 90


def test_nothing_of_a_job_overtakes_what_happened_to_it_before(store: Store, receiver: Receiver) -> None:
    receiver.answer = lambda message: Reply(500 if message.data["id"] == slow else 204)
    hook(store, receiver)
    slow, quick = submit(store), submit(store)
    for job_id in (slow, quick):
        store.runs.fail(claim(store, job_id), {"type": "ValueError", "message": "no"})
    deliver(store)
    told = [(message.data["id"], message.type) for message in receiver.messages]
    assert [kind for job_id, kind in told if job_id == quick] == ["job.queued", "job.running", "job.failed"]
    assert [kind for job_id, kind in told if job_id == slow] == ["job.queued"]
    receiver.answer = lambda _: Reply()
    later(store)
    deliver(store)
    told = [(message.data["id"], message.type) for message in receiver.messages]
    assert [kind for job_id, kind in told if job_id == slow] == [
        "job.queued",
        "job.queued",
        "job.running",
        "job.failed",
    ]
    assert {row.state for row in rows(store)} == {"delivered"}


def test_what_waits_behind_another_is_due_as_soon_as_that_is_given_up(store: Store, receiver: Receiver) -> None:
    receiver.answer = lambda message: Reply(500 if message.type == "job.queued" else 204)
    hook(store, receiver)
    claim(store, submit(store))
    for _ in range(10):
        later(store)
        deliver(store)
    assert [(row.type, row.state) for row in rows(store)] == [("job.queued", "failed"), ("job.running", "delivered")]


def test_what_was_taken_by_somebody_who_died_is_due_again(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    submit(store)
    (taken,) = store.deliveries.take({}, usual=8, of_account=64)
    deliver(store)
    assert receiver.messages == [], "whoever took it may still be sending it"
    with store.database.writer.begin() as connection:
        connection.execute(update(deliveries).values(next_at=deliveries.c.next_at - store_of_deliveries.TAKEN_MS))
    deliver(store)
    assert [message.id for message in receiver.messages] == [taken.id]
    assert rows(store)[0].attempts == 2


def test_who_took_too_long_and_failed_says_nothing_of_an_attempt_after_it(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    submit(store)
    (slow,) = store.deliveries.take({}, usual=8, of_account=64)
    later(store)
    (quick,) = store.deliveries.take({}, usual=8, of_account=64)
    failed = store_of_deliveries.Outcome(slow, arrived=False, problem="no", again_ms=HOUR_MS)
    store.deliveries.end([failed])
    assert rows(store)[0].problem is None
    store.deliveries.end([store_of_deliveries.Outcome(quick, arrived=True, status=200)])
    store.deliveries.end([failed])
    assert rows(store)[0].state == "delivered"


def test_a_receiver_that_is_gone_gets_nothing_more_until_somebody_puts_it_again(
    store: Store, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Reply(410)
    hook(store, receiver)
    job_id = submit(store)
    store.jobs.cancel(job_id)
    deliver(store)
    deliver(store)
    assert len(receiver.messages) == 1
    assert [(row.state, row.problem) for row in rows(store)] == [
        ("failed", "it answered 410"),
        ("failed", "the webhook was disabled: its receiver answered 410"),
    ]
    submit(store)
    assert len(rows(store)) == 2, "nothing is kept for it"
    receiver.answer = lambda _: Reply()
    hook(store, receiver)
    assert store.deliveries.replay_failed("mine", most=1) == (1, True)
    assert store.deliveries.replay_failed("mine", most=1) == (1, False)
    submit(store)
    deliver(store)
    assert receiver.types == ["job.queued", *receiver.types[1:]]
    assert sorted(receiver.types[1:]) == ["job.cancelled", "job.queued", "job.queued"]


def test_a_receiver_at_which_nothing_arrives_for_days_is_disabled(store: Store, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    hook(store, receiver)
    submit(store)
    deliver(store)
    later(store)
    with store.database.writer.begin() as connection:
        connection.execute(update(webhooks).values(failing_since=now_ms() - store_of_deliveries.PATIENCE_MS - 1))
    deliver(store)
    found = store.webhooks.get("mine")
    assert found is not None
    assert found.disabled_because == "nothing arrived for five days"
    deliver(store)
    assert rows(store)[0].state == "failed"


def test_one_that_fails_is_asked_by_one_message_at_a_time_until_one_arrives(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    for _ in range(AT_ONCE + 2):
        submit(store)
    first = store.deliveries.take({}, usual=AT_ONCE, of_account=64)
    assert len(first) == AT_ONCE
    hook_id = first[0].webhook
    assert store.deliveries.take({hook_id: 0}, usual=AT_ONCE, of_account=64) == []
    store.deliveries.end([store_of_deliveries.Outcome(first[0], arrived=False, again_ms=HOUR_MS)])
    assert store.deliveries.take({hook_id: AT_ONCE - 1}, usual=AT_ONCE, of_account=64) == []
    (probe,) = store.deliveries.take({}, usual=AT_ONCE, of_account=64)
    store.deliveries.end([store_of_deliveries.Outcome(probe, arrived=True)])
    later(store)
    assert len(store.deliveries.take({hook_id: 5}, usual=AT_ONCE, of_account=64)) == 5


def test_a_receiver_that_hangs_holds_up_no_other(store: Store, receiver: Receiver) -> None:
    let_go = threading.Event()
    with receiving() as hanging:
        hanging.answer = lambda _: Reply() if let_go.wait(30) else Reply(500)
        hook(store, hanging, "hanging")
        hook(store, receiver, "quick")

        async def meanwhile() -> None:
            mine = deliverer(store)
            for _ in range(20):
                submit(store)
            while len(receiver.messages) < 20:
                await mine.turn()
                await asyncio.sleep(0.01)
            assert len(hanging.messages) <= AT_ONCE
            let_go.set()
            await mine.all()

        asyncio.run(meanwhile())
        assert len(hanging.messages) == 20
    assert {row.state for name in ("hanging", "quick") for row in rows(store, name)} == {"delivered"}


def test_an_account_whose_receivers_all_hang_takes_no_more_than_its_share(store: Store, receiver: Receiver) -> None:
    for number in range(5):
        hook(store, receiver, f"hook-{number}")
    for _ in range(3):
        submit(store)
    store.accounts.add("acme")
    hook(store.of("acme"), receiver)
    submit(store.of("acme"))
    everyone = store.of(EVERYONE).deliveries
    taken = everyone.take({}, usual=3, of_account=8)
    its = Counter(each.webhook for each in taken)
    assert sorted(its.values()) == [1, 2, 3, 3], "eight of one account, and what there is of the other"
    under_way = {webhook: 3 - count for webhook, count in its.items()}
    assert everyone.take(under_way, usual=3, of_account=8) == []
    everyone.end([store_of_deliveries.Outcome(each, arrived=False, again_ms=HOUR_MS) for each in taken[:2]])
    freed = {webhook: 3 - count for webhook, count in (its - Counter(each.webhook for each in taken[:2])).items()}
    again = everyone.take(freed, usual=3, of_account=8)
    assert {each.webhook for each in again}.isdisjoint({each.webhook for each in taken[:2]}), "not first who fails"


def test_after_a_rotation_both_secrets_sign_for_a_while(store: Store, receiver: Receiver) -> None:
    first = hook(store, receiver)
    rotated = store.webhooks.rotate("mine", keep_ms=HOUR_MS)
    assert rotated is not None
    assert rotated[1] != first
    submit(store)
    (taken,) = store.deliveries.take({}, usual=8, of_account=64)
    assert taken.secrets == (rotated[1], first)
    with store.database.writer.begin() as connection:
        connection.execute(update(webhooks).values(previous_until=now_ms() - 1))
    later(store)
    (taken,) = store.deliveries.take({}, usual=8, of_account=64)
    assert taken.secrets == (rotated[1],)
    assert store.webhooks.rotate("mine", keep_ms=0) is not None
    later(store)
    (taken,) = store.deliveries.take({}, usual=8, of_account=64)
    assert len(taken.secrets) == 1


def test_what_was_delivered_long_ago_is_forgotten_and_so_is_what_is_left_of_a_webhook_that_is_gone(
    store: Store, receiver: Receiver
) -> None:
    hook(store, receiver)
    submit(store)
    deliver(store)
    submit(store)
    assert store.deliveries.forget() == 0
    with store.database.writer.begin() as connection:
        connection.execute(update(deliveries).values(ended_at=deliveries.c.ended_at - 8 * 24 * HOUR_MS))
    assert store.deliveries.forget() == 1
    assert [row.state for row in rows(store)] == ["waiting"]
    with store.database.writer.begin() as connection:
        connection.execute(webhooks.delete())
    assert store.deliveries.forget() == 1
    assert store.deliveries.take({}, usual=8, of_account=64) == []


def test_a_message_is_as_long_as_it_may_be_and_no_longer(store: Store, receiver: Receiver) -> None:
    hook(store, receiver)
    labels = {f"{n:02}".ljust(128, "k"): "v" * 128 for n in range(16)}
    store.runs.fail(
        claim(store, submit(store, name="n" * 128, labels=labels)), {"type": "E", "message": "\N{SNOWMAN}" * 9_000}
    )
    deliver(store)
    assert receiver.types[-1] == "job.failed"
    assert max(len(message.body) for message in receiver.messages) < 20_000
