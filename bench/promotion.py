"""Claim: promotions under load fail no request, and keep the p99 below twice the ordinary.

Trains two versions of one model through the service, and lets wrk ask for the model's champion: in turns while nothing
is moved, and while the champion is moved to the other version every half second.
"""

import argparse
import tempfile
import threading
from pathlib import Path
from statistics import median

import numpy as np

from bench.figures import circumstances, spread
from bench.forms import IMAGE
from bench.load import MISSING, Load, is_here, load, put_down
from service.client import Client
from service.processes import programs
from service.settings import Settings

_PAUSE_SECONDS = 0.5
_SPEC = {"dataset": "digits", "hidden_sizes": [100, 50], "epochs": 2}


class Promoter(threading.Thread):
    """Moves the champion from one version to the other, again and again, until it is stopped."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self._over, self.moves = url, threading.Event(), 0

    def run(self) -> None:
        """Move it."""
        with Client(self._url) as client:
            while not self._over.wait(_PAUSE_SECONDS):
                client.promote("digits", 1 + self.moves % 2)
                self.moves += 1

    def stop(self) -> int:
        """Stop; gives how often it was moved."""
        self._over.set()
        self.join()
        return self.moves


def _shown(name: str, loads: list[Load]) -> str:
    rates, p99s = [each.rate for each in loads], [each.p99 for each in loads]
    failed = sum(each.errors for each in loads)
    return f"{name}: {spread(rates, 0)} requests/s, p99 {spread(p99s, 1)} ms, {failed} failed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of both (5)")
    parser.add_argument("--seconds", type=float, default=5, help="of load in each (5)")
    parser.add_argument("--connections", type=int, default=8, help="(8)")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    if not is_here():
        print(MISSING)
        return
    still, moved, moves = list[Load](), list[Load](), 0
    with (
        tempfile.TemporaryDirectory(prefix="tenfold-promotion-") as folder,
        programs.short_lived(Settings(workers=1)) as url,
        Client(url) as client,
    ):
        ids = [client.submit(**_SPEC, seed=seed)["id"] for seed in (1, 2)]
        for job_id in ids:
            for _ in client.follow(job_id):
                pass
        images = [np.array(image, np.uint8) for image in client.examples(ids[0], limit=16)["images"]]
        requests = put_down(Path(folder) / "requests", IMAGE, images)

        def ask() -> Load:
            return load(url, IMAGE.path, requests, len(images), connections=asked.connections, seconds=asked.seconds)

        ask()
        for _ in range(asked.rounds):
            still.append(ask())
            promoter = Promoter(url)
            promoter.start()
            moved.append(ask())
            moves += promoter.stop()
    print(f"n = {asked.rounds} rounds of {asked.seconds:g} s, {asked.connections} connections; {moves} promotions")
    print(_shown("ordinary", still))
    print(_shown("promoted every half second", moved))
    times = median(each.p99 for each in moved) / median(each.p99 for each in still)
    print(f"p99 while it is promoted: {times:.2f} times the ordinary one, by the medians")


if __name__ == "__main__":
    main()
