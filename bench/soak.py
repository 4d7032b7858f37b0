"""Claim: a day's traffic leaves the memory of the API flat: 5 million requests of all kinds, a stranger beside them.

By wrk, as fast as it goes: predictions in four forms, look-ups and lists, pages that never change, and mistakes of each
kind that is answered with a problem document. Beside them, a stranger who sends what is no request, breaks off uploads,
stalls, and reads no answers. The resident memory of the API is taken after each twentieth part: what it has by the end
is at most 10 MB more than it had after the second, when every cache is full. 1 MB is 2^20 bytes.
"""

import argparse
import itertools
import json
import random
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np

from bench import ours
from bench.figures import circumstances, met
from bench.forms import IMAGE, RAW
from bench.load import MISSING, is_here
from bench.started import Reference, Started, started

REQUESTS = 5_000_000
PARTS = 20
FLAT = 10.0
SECONDS = 5
_SCRIPT = Path(__file__).with_name("soak.lua")
_PNG = Path(__file__).parent.parent / "docs" / "digit.png"

LOOKS = (
    "/livez",
    "/jobs?limit=5",
    "/models",
    "/sweeps",
    "/datasets",
    "/",
    "/openapi.json",
    "/v2/models/default",
)
MISTAKES: tuple[tuple[str, str, dict[str, str], bytes, int], ...] = (
    ("GET", "/jobs/nobody", {}, b"", 404),
    ("GET", "/jobs?lable=a", {}, b"", 422),
    ("PATCH", "/jobs", {}, b"", 405),
    ("POST", "/jobs", {"Content-Type": "application/json"}, b'{"dropout": 0.5, "epochs": -1, "x": [1, 2]}', 422),
    ("POST", "/jobs", {"Content-Type": "application/json"}, b"{", 400),
    ("POST", "/jobs", {"Content-Type": "text/plain"}, b"{}", 415),
    ("POST", "/predict", {"Content-Type": "image/png"}, b"no picture", 422),
    ("POST", "/predict?model=nobody", RAW.headers, b"\0\xff" * 392, 404),
)
STRANGE = (
    b"\x16\x03\x01\x02\x00no request\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /" + b"x" * 100_000,
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + bytes(100_000),
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50,
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 50,
)


def request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = {"Host": "localhost", **headers, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def traffic(url: str, images: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> list[bytes]:
    """Give some hundred requests: predictions above all."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        job = client.get("/jobs?limit=1").json()["data"][0]["id"]
        for method, path, headers, body, status in MISTAKES:
            answer = client.request(method, path, headers=headers, content=body)
            assert answer.status_code == status, (method, path, answer.text)
        for path in LOOKS:
            assert client.get(path).status_code == httpx.codes.OK, path
    image = itertools.cycle(images)
    own = [request("POST", RAW.path, RAW.headers, RAW.body(next(image))) for _ in range(400)]
    own += [request("POST", IMAGE.path, IMAGE.headers, IMAGE.body(next(image))) for _ in range(150)]
    own += [request("POST", "/predict", {"Content-Type": "image/png"}, _PNG.read_bytes()) for _ in range(10)]
    several = json.dumps({"images": [next(image).tolist() for _ in range(3)]}).encode()
    own += [request("POST", "/predict?details=true", {"Content-Type": "application/json"}, several) for _ in range(5)]
    own += [request("GET", path, {}, b"") for path in (*LOOKS, f"/jobs/{job}", f"/jobs/{job}/metrics")]
    own += [request(method, path, headers, body) for method, path, headers, body, _ in MISTAKES]
    random.Random(0).shuffle(own)
    return own


class Stranger(threading.Thread):
    """Sends what is no request, some times a second, and never reads."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.sent = 0
        self._address = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._over = threading.Event()

    def run(self) -> None:
        """Send until it is stopped; the last fifty connections stay open."""
        kept: list[socket.socket] = []
        for what in itertools.cycle(STRANGE):
            if self._over.wait(0.2):
                break
            with suppress(OSError):
                kept.append(socket.create_connection(self._address, timeout=5))
                kept[-1].sendall(what)
                self.sent += 1
            if len(kept) > 50:
                kept.pop(0).close()
        for connection in kept:
            connection.close()

    def stop(self) -> int:
        """End it; gives how often it has sent something."""
        self._over.set()
        self.join()
        return self.sent


def send(url: str, folder: Path, count: int) -> tuple[int, int]:
    """Have wrk ask for some seconds; gives how many requests it made, and how many were not answered."""
    command = ["wrk", "--threads", "1", "--connections", "32", "--duration", f"{SECONDS}s", "--timeout", "20s"]
    command += ["--script", str(_SCRIPT), url, "--", str(folder), str(count)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS + 60).stdout
    requests, broken, _ = map(int, next(line for line in said.splitlines() if line.startswith("FIGURES")).split()[1:])
    return requests, broken


def soak(api: Started, folder: Path, count: int, wanted: int) -> list[float]:
    """Ask until there were as many as are wanted; gives the memory after each part of them."""
    print(f"\n{'requests':>10}{'unanswered':>12}{'memory':>12}\n{0:>10}{0:>12}{api.megabytes():>9.1f} MB", flush=True)
    done, unanswered, weighed = 0, 0, list[float]()
    while done < wanted:
        requests, broken = send(api.url, folder, count)
        done, unanswered = done + requests, unanswered + broken
        while len(weighed) < PARTS * min(done, wanted) // wanted:
            weighed.append(api.megabytes())
            print(f"{done:>10,}{unanswered:>12}{weighed[-1]:>9.1f} MB", flush=True)
    print(f"\nclaim {met(unanswered == 0)}: every request is answered; {unanswered} were not")
    return weighed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"how many ({REQUESTS:,})")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    if not is_here():
        print(MISSING)
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-soak-") as place:
        folder = Path(place)
        trained = ours.train(folder / "home", 16)
        weights = folder / "network.safetensors"
        weights.write_bytes(trained.weights)
        images = list(trained.images)
        reference = Reference(images, trained.network.logits(np.stack(images)))
        (folder / "api").mkdir()
        (folder / "requests").mkdir()
        with started(trained.servers()[0], weights, reference, folder / "api") as api:
            requests = traffic(api.url, images)
            for number, content in enumerate(requests):
                (folder / "requests" / str(number)).write_bytes(content)
            stranger = Stranger(api.url)
            stranger.start()
            try:
                weighed = soak(api, folder / "requests", len(requests), asked.requests)
            finally:
                sent = stranger.stop()
            grown = weighed[-1] - weighed[1]
            print(f"n = 1 run; a stranger sent {sent:,} times what is no request, or no whole one")
            print(
                f"claim {met(grown <= FLAT)}: at the end at most {FLAT:g} MB more than after a tenth: {grown:+.1f} MB"
            )


if __name__ == "__main__":
    main()
