"""Claim: with keys asked for, /predict keeps 0.95 of its rate for one image.

Two APIs of one process each serve the same network, one that asks for keys and one that does not, and are asked in
turns by as many connections, each with one request under way. Told are both rates, the median of the ratios of turns
that stand beside each other, and the processor's time that each API takes for a request: on a machine that does other
things as well, that is the steadier of the two. Between two turns without keys the ratio tells the noise.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.asker import Asker, closed_loop
from bench.figures import circumstances, spread, verdict
from bench.streams import used_by
from bench.submitting import api
from service.access.scopes import SCOPES
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.records import succeeded
from tests.running import programs

CLAIMED = 0.95
BODY = json.dumps({"image": [[0] * 27 + [200]] * 28, "model": "digits"}).encode()


@dataclass
class Side:
    """An API, the request that it is asked, and what came of that."""

    url: str
    pid: int
    request: bytes
    rates: list[float] = field(default_factory=list)
    microseconds: list[float] = field(default_factory=list)

    def ask(self, connections: int, seconds: float) -> None:
        """Ask it for some seconds."""
        before, _ = used_by(self.pid)
        rate = closed_loop(self.url, self.request, connections, seconds)
        self.rates.append(rate)
        self.microseconds.append((used_by(self.pid)[0] - before) / (rate * seconds) * 1e6)


@contextmanager
def side(folder: Path, auth: str) -> Iterator[Side]:
    """Start an API on a home of its own that holds the network."""
    folder.mkdir()
    settings = Settings(home=folder, database_url=f"sqlite:///{folder}/tenfold.sqlite3")
    store = Store.open(settings)
    succeeded(store.of(DEFAULT), Artifacts(settings.artifacts), model="digits", hidden_sizes=(100, 50))
    key = store.api_keys.add(DEFAULT, "bench", SCOPES)[1]
    store.database.close()
    os.environ["TENFOLD_AUTH"] = auth
    before = programs(os.getpid()).keys()
    with api(folder, settings.database_url, 1) as url:
        (pid,) = (pid for pid, words in programs(os.getpid()).items() if pid not in before and "service.cli" in words)
        shown = {"Authorization": f"Bearer {key}"} if auth == "on" else {}
        yield Side(url, pid, Asker.request("/predict", {"Content-Type": "application/json", **shown}, BODY))


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="turns of both (9)")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn (2)")
    parser.add_argument("--connections", type=int, default=8, help="(8)")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    with tempfile.TemporaryDirectory(prefix="tenfold-keys-") as name, ExitStack() as stack:
        without, with_keys = (stack.enter_context(side(Path(name) / auth, auth)) for auth in ("off", "on"))
        for each in (without, with_keys):
            closed_loop(each.url, each.request, asked.connections, asked.seconds)
        for _ in range(asked.rounds):
            for each in (without, with_keys):
                each.ask(asked.connections, asked.seconds)
    for what, its in (("no keys", without), ("keys", with_keys)):
        print(f"{what:>8}: {spread(its.rates, 0)} requests/s, {spread(its.microseconds, 1)} us of a core for each")
    rates = [one / other for one, other in zip(with_keys.rates, without.rates, strict=True)]
    costs = [other / one for one, other in zip(with_keys.microseconds, without.microseconds, strict=True)]
    noise = [later / first for first, later in zip(without.rates, without.rates[1:], strict=False)]
    print(f"noise, one turn without keys by the one before: {spread(noise)}")
    print(f"rate with keys by rate without: {spread(rates)}; by time of a core: {spread(costs)}")
    print(verdict(f"/predict keeps {CLAIMED} of its rate", rates, at_least=CLAIMED))


if __name__ == "__main__":
    main()
