"""The doorbell, on a real broker and without one."""

import json

import pytest
import redis

from service.broker import doorbell as bell
from service.broker.doorbell import ERRANDS, TRAIN, Doorbell
from service.processes.supervisor import free_port


@pytest.fixture
def doorbell(broker_url: str) -> Doorbell:
    with redis.Redis.from_url(broker_url) as broker:
        broker.flushall()
    return Doorbell(broker_url)


def messages(doorbell: Doorbell, queue: str) -> list[dict[str, object]]:
    with redis.Redis.from_url(doorbell.broker_url) as broker:
        return [json.loads(message) for message in broker.lrange(queue, 0, -1)]


def test_a_ring_is_one_message_a_job_and_carries_ids_alone(doorbell: Doorbell) -> None:
    assert doorbell.ring(["first", "second"])
    assert doorbell.rings_waiting() == 2
    for message in messages(doorbell, TRAIN):
        assert message["content-type"] == "application/json"
        assert message["headers"]["task"] == "tenfold.train"  # type: ignore[index]


def test_nobody_rings_longer_than_workers_can_hear(doorbell: Doorbell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "MAX_RINGS", 3)
    assert doorbell.ring([f"job {number}" for number in range(10_000)])
    assert doorbell.rings_waiting() == 3
    assert "job 0" in str(messages(doorbell, TRAIN)[-1]), "those that have waited longest"


def test_errands_wait_in_a_queue_of_their_own(doorbell: Doorbell) -> None:
    assert doorbell.ask_for_plot("job", "loss")
    assert doorbell.ask_for_trials("sweep")
    assert doorbell.ring_for_readings([("default", "letters", 3)])
    assert doorbell.rings_waiting() == 0
    assert len(messages(doorbell, ERRANDS)) == 2
    assert doorbell.readings_waiting() == 1


def test_a_broker_that_is_away_is_no_error_and_is_told() -> None:
    silent = Doorbell(f"redis://127.0.0.1:{free_port()}/0")
    assert not silent.ring(["job"])
    assert not silent.is_alive()
    assert silent.rings_waiting() is None


def test_a_broker_that_refuses_to_write_is_no_error_and_is_told(doorbell: Doorbell) -> None:
    with redis.Redis.from_url(doorbell.broker_url) as broker:
        broker.config_set("maxmemory", 1)
        try:
            assert not doorbell.ring(["job"])
        finally:
            broker.config_set("maxmemory", 0)
    assert doorbell.ring(["job"])
