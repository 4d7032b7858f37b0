"""Claim: 1,000 webhooks a minute to a receiver that hangs leave training and /predict as they are.

Everything runs for real, in one stack. One job trains all the time; tiny ones are submitted at an even pace, each of
five events; one client asks /predict for one image after the other. In turns there is no webhook, and one whose
receiver takes what it is sent and never answers. Compared are the seconds of an epoch of the long job, the milliseconds
of a prediction, and the processor's time of the API and of all that trains; ratios are of neighbouring rounds.
`--without` has no webhook in any round: what the machine's own noise comes to.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy import select

from bench.figures import circumstances, claim
from service.store.store import Store
from service.store.tables import epochs
from tests.receivers import Receiver, Reply, receiving
from tests.running import QUICK, Stack, programs, running_stack

EVENTS_OF_A_JOB = 5  # queued, running, succeeded, and a version made and refused
TINY = {"dataset": "digits", "hidden_sizes": [8], "epochs": 1, "labels": {"told": "yes"}, "promote_min_value": 1.0}
LONG = {"dataset": "mnist", "hidden_sizes": [300, 100], "batch_size": 128, "epochs": 1000}
IMAGE = {"image": [[0, 255] * 14] * 28}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """What a round came to."""

    epoch_seconds: float
    predict_ms: float
    api_share: float
    """Cores that the API takes."""
    training_share: float
    errands_share: float
    """Of the worker for errands, which delivers."""
    told: int


def paced(stack: Stack, seconds: float, per_minute: float) -> Iterator[None]:
    """Submit tiny jobs at an even pace; gives control after each."""
    begun, each = time.monotonic(), 60 * EVENTS_OF_A_JOB / per_minute
    for number in range(int(seconds / each)):
        stack.client.submit(**TINY)
        yield
        time.sleep(max(0.0, begun + (number + 1) * each - time.monotonic()))


def used(stack: Stack, words: str) -> dict[int, int]:
    """Give the processor's time of each program whose command line has these words, in ticks."""
    found = {}
    for number, command in programs(stack.process.pid).items():
        if words in command:
            with suppress(OSError):
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                found[number] = int(fields[11]) + int(fields[12])
    return found


class Share:
    """How much of a core some programs take from now on, those that end meanwhile left out."""

    def __init__(self, stack: Stack, words: str) -> None:
        self._stack, self._words = stack, words
        self._before, self._begun = used(stack, words), time.monotonic()

    def now(self) -> float:
        """Give it."""
        spent = sum(ticks - self._before.get(number, 0) for number, ticks in used(self._stack, self._words).items())
        return spent / TICKS / (time.monotonic() - self._begun)


def asked(stack: Stack, done: threading.Event, took: list[float]) -> None:
    """Ask for predictions one after the other, and note how long each took."""
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        while not done.is_set():
            begun = time.perf_counter()
            assert (answer := client.post("/predict", json=IMAGE)).is_success, answer.text
            took.append((time.perf_counter() - begun) * 1000)
            done.wait(0.01)


def measured(stack: Stack, store: Store, long: str, receiver: Receiver, seconds: float, per_minute: float) -> Round:
    """Do a round."""
    before, done, took = len(receiver.messages), threading.Event(), list[float]()
    client = threading.Thread(target=asked, args=(stack, done, took))
    first = len(store.jobs.epochs(long))
    shares = [Share(stack, words) for words in ("service.cli api", "fork_server", "errands@")]
    client.start()
    for _ in paced(stack, seconds, per_minute):
        pass
    api, training, errands = (share.now() for share in shares)
    done.set()
    client.join()
    query = select(epochs.c.seconds).where(epochs.c.job_id == long, epochs.c.epoch > first)
    with store.database.reader.connect() as connection:
        its = connection.scalars(query).all()
    return Round(median(its), median(took), api, training, errands, len(receiver.messages) - before)


def main() -> None:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="pairs of rounds")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round")
    parser.add_argument("--per-minute", type=float, default=1000.0, help="events")
    parser.add_argument("--without", action="store_true", help="no webhook in any round")
    given = parser.parse_args()
    print(circumstances(threads=1), flush=True)
    let_go = threading.Event()
    pairs: list[tuple[Round, Round]] = []
    with tempfile.TemporaryDirectory(prefix="tenfold-webhooks-") as folder, receiving() as receiver:
        receiver.answer = lambda _: Reply() if let_go.wait(120) else Reply(500)
        environment = {**QUICK, "TENFOLD_WEBHOOK_ALLOW": "127.0.0.1"}
        with running_stack(Path(folder), environment, workers=2) as stack:
            store = Store.open(stack.settings)
            stack.finish(stack.client.submit(**{**TINY, "promote": "always"})["id"])
            long = stack.client.submit(**LONG)["id"]
            stack.reach_epoch(long, 2)
            api = httpx.Client(base_url=stack.url, timeout=60)
            about = (stack, store, long, receiver, given.seconds, given.per_minute)
            for number in range(given.rounds):
                rounds, waiting = dict[bool, Round](), 0
                for is_told in (bool(number % 2), not number % 2):  # what grows meanwhile favours neither
                    if is_told and not given.without:
                        api.put("/webhooks/hanging", json={"url": receiver.url}).raise_for_status()
                    rounds[is_told] = measured(*about)
                    if is_told and not given.without:
                        waiting = api.get("/webhooks/hanging").json()["waiting"]
                        api.delete("/webhooks/hanging")
                pairs.append((rounds[False], rounds[True]))
                told = f"{rounds[True]} with a webhook, for which {waiting} waited"
                print(f"{number + 1}: {rounds[False]} without; {told}", flush=True)
            let_go.set()
            store.database.close()
    for what, name in (
        ("an epoch takes so much longer", "epoch_seconds"),
        ("a prediction takes so much longer", "predict_ms"),
        ("the API needs so much more of the processor", "api_share"),
        ("all that trains needs so much more of the processor", "training_share"),
    ):
        ratios = [getattr(told, name) / getattr(quiet, name) for quiet, told in pairs]
        print(claim(what, ratios, at_most=1.03, stretch=1.0))
    more = median(told.errands_share - quiet.errands_share for quiet, told in pairs)
    print(f"the worker for errands takes {more:+.1%} of a core more, by the median")


if __name__ == "__main__":
    main()
