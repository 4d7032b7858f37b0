"""Claim: wherever a process is killed, before whichever statement, commit or change of a file, nothing is lost.

Each scenario is done once to its end, and then again from the beginning for each of its operations, and killed just
before that one: the first, the second, to the last, and before the answer. (So SQLite is tested against crashes:
https://sqlite.org/testing.html.) What the thread does that renews leases is not counted: it comes at its own times. Nor
do Celery and its parent process take part: what takes jobs back is called directly.

After a kill the service goes on as it would: the jobs are taken back, what the client asked for and was not told of is
asked for again, everything is trained to its end. Then the record and the files are checked (invariants.py), and
compared with what is there when nobody is killed. Ends with 1 if anything differs.
"""

import argparse
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from bench.figures import circumstances
from models import tuning
from service.processes.supervisor import free_port
from service.settings import Settings
from tests.chaos import fuse
from tests.chaos.crashes import SCENARIOS
from tests.chaos.invariants import Evidence, violations
from tests.chaos.world import Scenario, World
from tests.postgres import postgres_server

# Forked from a process that has loaded torch, and has not used it: a kill costs a fraction of a second.
_PROCESSES = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Failure:
    """What was not as it should be after a kill before an operation."""

    scenario: str
    operation: str
    what: str


def torment(scenario: Scenario, place: Callable[[], Settings], *, every: int = 1) -> tuple[list[str], list[Failure]]:
    """Kill a scenario before each of its operations, or every so-manieth; gives the operations, and failures."""
    operations, undisturbed, found = _once(scenario, place(), at=0)
    failures = [Failure(scenario.name, "none", what) for what in found]
    # The last comes after all operations: everything is done, and nobody was told.
    for at in [*range(1, len(operations) + 1, every), len(operations) + 1]:
        done, outcome, found = _once(scenario, place(), at=at)
        before = done[-1] if at <= len(operations) else "the answer"
        if len(done) != min(at, len(operations)):
            found = [*found, f"it was to be killed before operation {at}, and did {len(done)}"]
        if outcome != undisturbed:
            found = [*found, f"the outcome is {outcome}, and not {undisturbed}"]
        failures += [Failure(scenario.name, f"{at}, {before}", what) for what in found]
    return operations, failures


def _once(scenario: Scenario, settings: Settings, *, at: int) -> tuple[list[str], str, list[str]]:
    """Do a scenario, killed before operation `at` if it comes so far; gives its operations, outcome and violations."""
    _in_a_process(_prepare, scenario, settings)
    operations = _in_a_process(_act, scenario, settings, at)
    answers = _in_a_process(_recover, scenario, settings, at > 0)
    return operations, answers[-1], answers[:-1]


def _in_a_process(do: Callable[..., None], *arguments: object) -> list[str]:
    """Do something in a process of its own; gives what it tells until it ends, or is killed."""
    ear, mouth = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=do, args=(mouth, *arguments))
    process.start()
    mouth.close()
    heard = []
    try:
        while ear.poll(60):
            heard.append(ear.recv_bytes().decode())
    except EOFError:
        process.join()
        if process.exitcode not in {0, -signal.SIGKILL}:
            raise ChildProcessError(f"{do.__name__} ended with {process.exitcode}") from None
        return heard
    else:
        process.kill()
        raise TimeoutError(f"{do.__name__} told nothing for a minute")
    finally:
        ear.close()


def _prepare(_mouth: Connection, scenario: Scenario, settings: Settings) -> None:
    tuning.use_threads(1)
    with World.open(settings) as world:
        scenario.prepare(world)


def _act(mouth: Connection, scenario: Scenario, settings: Settings, at: int) -> None:
    tuning.use_threads(1)
    with World.open(settings) as world:
        fuse.arm(at, settings.home, told=lambda name: mouth.send_bytes(name.encode()))
        scenario.act(world)
        # What comes now is none of the scenario's.
        os._exit(0)


def _recover(mouth: Connection, scenario: Scenario, settings: Settings, was_killed: bool) -> None:
    tuning.use_threads(1)
    with World.open(settings) as world:
        if was_killed:
            world.take_back()
            scenario.again(world)
        world.train_all()
        world.read_all()
        world.measure_all()
        outcome = world.outcome()
        broken = violations(Evidence.read(settings))
        found = [f"{each.rule}: {each.what}" for each in broken if each.rule not in scenario.allows]
        found += world.leftovers()
    for what in [*found, json.dumps(outcome)]:
        mouth.send_bytes(what.encode())


@contextmanager
def places(database: str) -> Iterator[Callable[[], Settings]]:
    """Give a maker of settings, each with a home and a database of its own."""
    with ExitStack() as opened:
        url = opened.enter_context(postgres_server()) if database == "postgresql" else None
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="tenfold-failpoints-")))
        made = 0

        def make() -> Settings:
            nonlocal made
            made += 1
            home = folder / str(made)
            home.mkdir()
            database_url = f"sqlite:///{home}/tenfold.sqlite3"
            if url is not None:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(f"CREATE SCHEMA place_{made}".encode())
                database_url = f"{url}?options=-csearch_path%3Dplace_{made}"
            return Settings(
                home=home,
                database_url=database_url,
                broker_url=f"redis://127.0.0.1:{free_port()}/0",
                max_wait_seconds=0.1,
                group_size=4,
            )

        yield make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--every", type=int, default=1, help="kill before every so-manieth operation (1: before each)")
    parser.add_argument("--only", default="", help="a word that the names of the wanted scenarios hold (all)")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(circumstances(threads=1), flush=True)
    failures: list[Failure] = []
    kinds: Counter[str] = Counter()
    kills = 0
    with places(asked.database) as place:
        for scenario in (each for each in SCENARIOS if asked.only in each.name):
            begun = time.monotonic()
            operations, found = torment(scenario, place, every=asked.every)
            count = len(range(1, len(operations) + 1, asked.every)) + 1
            kinds.update(operations)
            kills += count
            failures += found
            took = time.monotonic() - begun
            print(f"{scenario.name}: {count} kills, {len(operations)} operations, {took:.0f} s", flush=True)
            for failure in found:
                print(f"  before operation {failure.operation}: {failure.what}", flush=True)
    print(f"{asked.database}: {kills} kills, {len(failures)} failures; {len(kinds)} kinds of operations:")
    print("\n".join(_columns([f"{count:4} {name}" for name, count in sorted(kinds.items())])))
    sys.exit(1 if failures else 0)


def _columns(lines: Sequence[str], width: int = 40) -> Iterator[str]:
    for start in range(0, len(lines), 3):
        yield "".join(line[: width - 2].ljust(width) for line in lines[start : start + 3]).rstrip()


if __name__ == "__main__":
    main()
