"""Claim: one image, as JSON and as raw bytes, is answered at least 0.95 times as fast as by another checkout.

    python -m bench.before /path/of/the/other/checkout

Each checkout trains a network for an epoch by its own code and into its own home. Then both APIs run at once, and are
asked in turns, for a second each and every time in the other order: so whatever else the machine does hits both alike,
and the one that is not asked takes nothing. The client writes requests on bare sockets (bench/asker.py).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.asker import Asker, closed_loop
from bench.figures import circumstances, spread, verdict
from bench.forms import compact
from service.processes.supervisor import free_port

LEAST = 0.95
START_SECONDS, TRAIN_SECONDS = 60.0, 300.0
OURS = Path(__file__).parent.parent
_TRAIN = (
    "import json, sys; from pathlib import Path; from bench import ours; "
    "print(json.dumps(ours.train(Path(sys.argv[1]), 1).settings.environment()))"
)
_IMAGE = [[0] * 28] * 8 + [[0] * 12 + [255] * 4 + [0] * 12] * 12 + [[0] * 28] * 8
REQUESTS = {
    "JSON": Asker.request("/predict", {"Content-Type": "application/json"}, compact({"image": _IMAGE})),
    "raw bytes": Asker.request(
        "/predict", {"Content-Type": "application/octet-stream"}, bytes(number for row in _IMAGE for number in row)
    ),
}


def trained(checkout: Path, home: Path) -> Mapping[str, str]:
    """Have a checkout train a network; gives the settings of its home as variables."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, str(home)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=TRAIN_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{checkout} could not train:\n{done.stderr[-2000:]}")
    settings: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return settings


@contextmanager
def serving(checkout: Path, settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run the API of a checkout; gives its URL once it answers."""
    port = free_port()
    environment = {**os.environ, **settings, "PYTHONPATH": str(checkout), "TENFOLD_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "api"], env=environment, cwd=checkout, stdout=output, stderr=output
        )
    url, end = f"http://127.0.0.1:{port}", time.perf_counter() + START_SECONDS
    try:
        while not _answers(url):
            if process.poll() is not None or time.perf_counter() > end:
                raise SystemExit(f"{checkout} does not serve:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        asker = Asker(url)
        try:
            return asker.ask(REQUESTS["JSON"]) == 200
        finally:
            asker.close()
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the checkout to compare with")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (20)")
    parser.add_argument("--seconds", type=float, default=1, help="of a turn (1)")
    parser.add_argument("--connections", type=int, nargs="+", default=(1, 16), help="(1 16)")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    sides = {"this": OURS, "other": asked.other.resolve()}
    print(f"this is {OURS.name}, the other {asked.other.name}; n = {asked.rounds} turns of {asked.seconds:g} s\n")
    with tempfile.TemporaryDirectory(prefix="tenfold-before-") as name, ExitStack() as running:
        urls = {}
        for side, checkout in sides.items():
            settings = trained(checkout, Path(name) / side)
            urls[side] = running.enter_context(serving(checkout, settings, Path(name) / f"{side}.log"))
        for form, request in REQUESTS.items():
            for connections in asked.connections:
                rates: dict[str, list[float]] = {side: [] for side in sides}
                for number in range(asked.rounds + 1):  # the first is to warm up
                    for side in list(sides)[:: 1 if number % 2 else -1]:
                        rates[side].append(closed_loop(urls[side], request, connections, asked.seconds))
                ratios = [ours / theirs for ours, theirs in zip(rates["this"][1:], rates["other"][1:], strict=True)]
                for side in sides:
                    print(
                        f"  {form}, {connections} connections, {side:6}{spread(rates[side][1:], 0)} requests a second"
                    )
                print(verdict(f"at least {LEAST:g} times the other: {spread(ratios, 3)}", ratios, at_least=LEAST))


if __name__ == "__main__":
    main()
