"""Let another team in: accounts and keys, a share of the machine, a model that is lent, and who is told of what.

As beyond the loopback, keys are asked for here. `house` asks with the first key, `team` with one that it was given.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.receivers import Receiver, receiving
from tests.running import Stack, running_stack
from tests.waiting import wait_until
from tests.walkthrough.steps import STRIPES, finish

SPEC = {"dataset": "digits", "epochs": 3, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Tenfold that asks for keys."""
    home = tmp_path_factory.mktemp("shared") / "home"
    with running_stack(home, {"TENFOLD_AUTH": "on", "TENFOLD_WEBHOOK_ALLOW": "127.0.0.1"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def house(shared: Stack) -> Iterator[httpx.Client]:
    """Whoever runs it: the first key lies in the home, and its owner alone may read it."""
    file: Path = shared.home / "first-key"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text().strip()
    with httpx.Client(base_url=shared.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def team(shared: Stack, house: httpx.Client) -> Iterator[httpx.Client]:
    """Another team: an account of its own, with limits, and a key for what it does."""
    account = {"weight": 1, "limits": {"queued": 20, "running": 2}}
    assert house.put("/accounts/vision", json=account).status_code == 201
    asked = {"account": "vision", "name": "ci", "scopes": ["read", "train", "predict", "models"], "days": 90}
    made = house.post("/keys", json=asked)
    assert made.status_code == 201, made.text
    with httpx.Client(
        base_url=shared.url, headers={"Authorization": f"Bearer {made.json()['key']}"}, timeout=60
    ) as client:
        yield client


@pytest.fixture(scope="module")
def nights(house: httpx.Client, team: httpx.Client) -> list[dict[str, Any]]:
    """A job of each, under one name."""
    for client, seed in ((house, 1), (team, 2)):
        made = client.put("/jobs/night", json={**SPEC, "seed": seed, "model": "digits"})
        assert made.status_code == 202, made.text
    return [finish(client, "night") for client in (house, team)]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A server of the team that is told what happens."""
    with receiving() as receiver:
        yield receiver


def test_nobody_is_let_in_without_a_key(shared: Stack) -> None:
    answer = httpx.get(f"{shared.url}/jobs")
    assert (answer.status_code, answer.headers["www-authenticate"].split()[0]) == (401, "Bearer")
    assert "send it as Authorization: Bearer tf_" in answer.json()["detail"]
    assert httpx.get(f"{shared.url}/readyz").status_code == 200, "what watches over it needs none"


def test_each_has_its_own_even_under_one_name(
    house: httpx.Client, team: httpx.Client, nights: list[dict[str, Any]]
) -> None:
    assert [night["spec"]["seed"] for night in nights] == [1, 2]
    assert [model["name"] for model in house.get("/models").json()["data"]] == ["digits"]
    assert "night" in {row["job_id"] for row in team.get("/models/digits/versions").json()["data"]}
    house.put("/jobs/day", json={**SPEC, "model": "daily"}).raise_for_status()
    assert team.get("/jobs/day").status_code == 404
    assert team.get("/keys").status_code == 403, "its key is not for that"


@pytest.mark.usefixtures("nights")
def test_a_dry_run_tells_what_a_job_would_take_and_when_it_would_begin(team: httpx.Client) -> None:
    plan: dict[str, Any] = team.post("/jobs?dry_run=true", json={**SPEC, "seed": 3}).raise_for_status().json()
    assert (plan["seconds"]["judged_by"], plan["start"]["waits_for"]) == ("equal", "turn")
    assert (plan["quotas"]["queued"]["limit"], plan["quotas"]["queued"]["more"]) == (20, 1)
    assert 3 not in {job["spec"]["seed"] for job in team.get("/jobs").json()["data"]}, "nothing was queued"


def test_what_goes_beyond_a_limit_is_refused_whole(team: httpx.Client) -> None:
    answer = team.post("/sweeps", json={"base": SPEC, "grid": {"batch_size": [16, 32, 64]}, "seeds": 7})
    assert answer.status_code == 429
    assert answer.json()["type"].endswith("#quota-exceeded")
    assert team.get("/sweeps").json()["data"] == []


@pytest.mark.usefixtures("nights")
def test_a_model_is_lent_to_be_asked(house: httpx.Client, team: httpx.Client) -> None:
    form = {"Content-Type": "application/octet-stream"}

    def ask() -> httpx.Response:
        return team.post("/predict", params={"model": "default:digits"}, content=STRIPES, headers=form)

    assert ask().status_code == 404
    assert house.put("/models/digits/shares/vision", json={"right": "predict"}).is_success
    wait_until(lambda: ask().is_success, timeout=10, what="every process to know")
    assert ask().json()["model"]["version"] == 1
    assert team.get("/models/default:digits/versions/1/card").status_code == 404, "it is not lent to be read"


def test_the_team_is_told_what_happens_and_can_be_sure_by_whom(team: httpx.Client, receiver: Receiver) -> None:
    about = {"url": f"{receiver.url}", "events": ["job.succeeded"]}
    secret = team.put("/webhooks/ci", json=about).raise_for_status().json()["secret"]
    team.put("/jobs/told", json={**SPEC, "seed": 5}).raise_for_status()
    (message,) = wait_until(lambda: receiver.messages, timeout=60, what="the message to come")
    event = Webhook(secret).verify(message.body, message.headers)
    assert (event["type"], event["data"]["id"]) == ("job.succeeded", "told")


@pytest.mark.usefixtures("nights")
def test_one_connection_follows_everything_that_a_key_may_see(house: httpx.Client, team: httpx.Client) -> None:
    events = team.get("/events", params={"limit": 1000}).raise_for_status().json()["data"]
    assert {event["job_id"] for event in events if event.get("job_id")} - {"told"} == {"night"}
    assert {event["id"] for event in events}.isdisjoint(
        event["id"] for event in house.get("/events", params={"limit": 1000}).json()["data"]
    )


def test_a_key_that_is_revoked_opens_nothing_any_more_and_it_is_on_the_list(shared: Stack, house: httpx.Client) -> None:
    asked = {"account": "default", "name": "for a day", "scopes": ["read"], "days": 1}
    key = house.post("/keys", json=asked).json()
    with httpx.Client(base_url=shared.url, headers={"X-Api-Key": key["key"]}) as client:
        assert client.get("/jobs").status_code == 200
        assert house.delete(f"/keys/{key['id']}").status_code == 204
        wait_until(lambda: client.get("/jobs").status_code == 401, timeout=5, what="all processes to know")
    done = [(row["action"], row["subject"]) for row in house.get("/audit").json()["data"]]
    assert {("key.add", key["id"]), ("key.revoke", key["id"])} <= set(done)
