"""Claim: one image is read by us at 9,000 requests a second and more, several times as often as by servers of models.

At 32 connections at least 9,000 requests a second with a p99 of 10 ms at most, by the JSON of /predict; 5 times
MLServer's and 7 times LitServe's, BentoML's and KServe's best; at one connection a median of 0.35 ms at most; 13,000 a
second where the pixels come as raw bytes; at most 150 MB resident; the first right answer at most a second after the
start. Many images in one request are in bench/many_images.py.

The network, an MLP 784-100-50-10, is trained through the service for an epoch; each rival gets the same weights and the
same code that computes with them (`models.inference`; the plain FastAPI endpoint has torch), and is asked in its own
form for the digit and its ten probabilities. In every round each server is started, compared with the reference on all
images, warmed up, asked by wrk at each number of connections, weighed, compared again, and stopped before the next one
starts; so nobody stands idle beside another, and noise falls on all alike. One machine has it all: wrk, which needs a
part of one core, and the server, which may use the rest. Memory is weighed after the load by wrk.

Rivals live in environments of their own, which `--install` makes, one after another; that takes minutes and about 3 GB.
Without it those are measured that are there; of the others it is said that they are missing. The plain FastAPI endpoint
runs in Tenfold's own environment and needs nothing. What a promotion does meanwhile is in bench/promotion.py.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from bench import ours
from bench.figures import circumstances
from bench.forms import Form
from bench.load import MISSING, is_here, load, put_down
from bench.ours import Trained
from bench.rivals import RIVALS, Rival
from bench.standings import Standing, print_claims, print_table
from bench.started import Failed, Reference, Server, Started, check, started
from service.settings import Settings

IMAGES = 16


class Comparison:
    """Everything that is needed to ask about one network, and how everybody did so far."""

    def __init__(self, trained: Trained, folder: Path, connections: Sequence[int], seconds: float) -> None:
        self.standings: dict[str, Standing] = {}
        self._folder, self._connections, self._seconds = folder, connections, seconds
        self._weights = folder / "network.safetensors"
        self._weights.write_bytes(trained.weights)
        self._reference = Reference(trained.images, trained.network.logits(np.stack(trained.images)))

    def visit(self, server: Server) -> None:
        """Start a server, ask it in all its forms, and stop it; one that fails is not visited again."""
        mine = {name: self.standings.setdefault(name, Standing(server.version)) for name in server.forms}
        if mine[server.name].remark:
            return
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            with started(server, self._weights, self._reference, folder) as running:
                for name, form in server.forms.items():
                    if not mine[name].remark:
                        self._ask(running, name, form, folder, server.temperature)
        except Failed as failure:
            mine[server.name].remark = str(failure)

    def _ask(self, running: Started, name: str, form: Form, folder: Path, temperature: float) -> None:
        standing = self.standings[name]
        try:
            check(running.url, form, self._reference, temperature)
            requests = put_down(folder / "requests" / name, form, self._reference.images)
            ask = partial(load, running.url, form.path, requests, len(self._reference.images))
            ask(connections=max(self._connections), seconds=self._seconds / 2)
            loads = {number: ask(connections=number, seconds=self._seconds) for number in self._connections}
            megabytes = running.megabytes()
            check(running.url, form, self._reference, temperature)
        except (Failed, httpx.TransportError, subprocess.SubprocessError) as failure:
            standing.remark = str(failure)
            return
        for number, measured in loads.items():
            standing.loads[number].append(measured)
        standing.megabytes.append(megabytes)
        standing.cold_seconds.append(running.cold_seconds)


def ready(rivals: Sequence[Rival], peers: Path, *, install: bool) -> tuple[list[Server], dict[str, str]]:
    """Give the servers that are installed, after installing them if that is wished, and why others are not."""
    servers, missing = [], {}
    for rival in rivals:
        if install:
            print(f"{rival.name} ...", file=sys.stderr, flush=True)
            if problem := rival.install(peers):
                missing[rival.name] = problem
                continue
        if rival.is_installed(peers):
            servers += rival.servers(peers)
        else:
            missing[rival.name] = "not installed; --install does that"
    return servers, missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the rivals that are not there, and measure")
    parser.add_argument("--peers", type=Path, default=Settings().home / "peers", help="their folder (.tenfold/peers)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="rivals whose names hold one of these")
    parser.add_argument("--seconds", type=float, default=4, help="of load at each number of connections (4)")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each server (5)")
    parser.add_argument("--connections", type=int, nargs="+", default=(1, 8, 32, 64), help="(1 8 32 64)")
    asked = parser.parse_args()
    if asked.seconds < 1 or min(asked.connections, default=0) < 1 or asked.rounds < 1:
        parser.error("seconds, rounds and connections are at least 1")

    wished = [rival for rival in RIVALS if any(word.lower() in rival.name.lower() for word in asked.only)]
    servers, missing = ready(wished, asked.peers, install=asked.install)
    print(circumstances(threads=1))
    if not is_here():
        print(MISSING)
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-predict-") as folder:
        trained = ours.train(Path(folder) / "home", IMAGES)
        print(
            f"MLP 784-100-50-10, trained on {trained.dataset}; one image of 28 x 28 a request; wrk with one thread\n"
            f"n = {asked.rounds} rounds of {asked.seconds:g} s at each number of connections, servers in turns",
            flush=True,
        )
        comparison = Comparison(trained, Path(folder), asked.connections, asked.seconds)
        for number in range(1, asked.rounds + 1):
            for server in [*trained.servers(), *servers]:
                print(f"round {number}: {server.name}", file=sys.stderr, flush=True)
                comparison.visit(server)
            if remark := comparison.standings[ours.JSON].remark:
                raise SystemExit(f"{ours.JSON}: {remark}")
    print_table(comparison.standings, asked.connections)
    for name, why in missing.items():
        print(f"  {name}: {why}")
    print_claims(comparison.standings)


if __name__ == "__main__":
    main()
