"""Judges that we did not write find what arrives signed as Standard Webhooks has it, before and after a rotation.

What npm has is skipped where there is no npm: see node.py.
"""

import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from models.spec import TrainingSpec
from service.addresses.receivers import Receivers
from service.store.store import Store
from tests.node import program
from tests.receivers import Message, Reply, receiving
from worker.errands.deliveries.deliverer import Deliverer
from worker.errands.deliveries.sender import Sender

PACKAGE = "standardwebhooks@1.1.1"

SCRIPT = """
const { Webhook } = require('standardwebhooks')
const accepts = ([secret, body, headers]) => {
  try { new Webhook(secret).verify(body, headers); return true } catch (error) { return false }
}
console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0)).map(accepts)))
"""

Judge = Callable[[Sequence[tuple[str, Message]]], list[bool]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="module")
def by_npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that asks the judge of npm."""
    return program(tmp_path_factory.mktemp("judges"), PACKAGE, "judge.js", SCRIPT)


def of_npm(script: Path) -> Judge:
    def judge(each: Sequence[tuple[str, Message]]) -> list[bool]:
        given = json.dumps([[secret, message.body.decode(), message.headers] for secret, message in each])
        command = ["node", str(script)]
        done = subprocess.run(
            command, input=given, cwd=script.parent, capture_output=True, text=True, timeout=60, check=True
        )
        judged: list[bool] = json.loads(done.stdout)
        return judged

    return judge


def of_pypi(module: str) -> Judge:
    judges = importlib.import_module(module)

    def accepts(secret: str, message: Message) -> bool:
        try:
            judges.Webhook(secret).verify(message.body, message.headers)
        except judges.WebhookVerificationError:
            return False
        return True

    return lambda each: [accepts(*its) for its in each]


@pytest.fixture(params=["standardwebhooks.webhooks", "svix.webhooks", "npm"])
def judge(request: pytest.FixtureRequest) -> Judge:
    return of_npm(request.getfixturevalue("by_npm")) if request.param == "npm" else of_pypi(request.param)


def test_what_arrives_is_verified_and_what_was_changed_is_not(store: Store, judge: Judge) -> None:
    with receiving() as receiver:
        receiver.answer = lambda _: Reply(200)
        _, first = store.webhooks.put("ci", url=receiver.url, events=["job.*"], labels={}, model=None)
        assert first is not None
        store.submissions.submit([TrainingSpec(name="first")])
        deliver(store)
        rotated = store.webhooks.rotate("ci", keep_ms=60_000)
        assert rotated is not None
        store.submissions.submit([TrainingSpec(name="second")])
        deliver(store)
    before, after = receiver.messages
    second = rotated[1]
    assert (before.data["name"], after.data["name"]) == ("first", "second")
    assert judge([(first, before), (first, after), (second, after)]) == [True, True, True]
    changed = Message(before.path, before.headers, before.body.replace(b"first", b"other"))
    other_id = Message(before.path, {**before.headers, "webhook-id": after.id}, before.body)
    old = Message(before.path, {**before.headers, "webhook-timestamp": "1"}, before.body)
    wrong = [(second, before), (first, changed), (first, other_id), (first, old)]
    assert judge(wrong) == [False] * 4


def deliver(store: Store) -> None:
    asyncio.run(Deliverer(lambda: store, Sender(Receivers(["127.0.0.1"]))).all())


def test_signing_needs_nothing_of_theirs() -> None:
    script = "import sys, worker.errands.deliveries.deliverer; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert set(run.stdout.split()) & {"standardwebhooks", "svix", "torch", "numpy"} == set()
