"""What strangers send to wear the API out, and what its memory and its honest callers see of that.

`python -m tests.chaos.strangers` sends all of it in full size to an API of its own; tests send less of it.
"""

import json
import socket
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import insert, update

from bench.figures import circumstances
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from service.store.tables import epochs, jobs
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.records import submit, succeeded
from tests.running import serving

MIB = 2**20
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def prepared(home: Path, *, batches: int, trials: int) -> tuple[str, str]:
    """Put on record a model that answers, a job of so many batches, and a sweep of so many trials; gives their ids."""
    settings = Settings(home=home)
    store = Store.open(settings).of(DEFAULT)
    succeeded(store, Artifacts(settings.artifacts))
    job_id, losses = submit(store), np.random.default_rng(0).exponential(0.3, batches).astype("<f4")
    spec = SweepSpec.model_validate({"grid": {"learning_rate": [0.001 + number * 1e-6 for number in range(trials)]}})
    sweep_id, _ = store.sweeps.submit(spec, expand(spec, store.datasets.names()))
    figures = ("loss", "train_accuracy", "val_accuracy", "best_val_accuracy", "best_epoch", "seconds", "stopped_early")
    about = {"attempt": 1, "loss": 0.5, "train_accuracy": 0.5, "val_accuracy": 0.5, "seconds": 1.0, "complete": True}
    parts, end = np.array_split(losses, 10), 0
    with store.database.writer.begin() as connection:
        done = {"state": "succeeded", "result": dict.fromkeys(figures, 0.5), "finished_at": 1, "last_epoch": 9}
        connection.execute(update(jobs).where(jobs.c.sweep_id == sweep_id).values(done))
        for epoch, part in enumerate(parts, start=1):
            end += len(part)
            row = {"job_id": job_id, "epoch": epoch, "iterations": end, "losses": part.tobytes(), "recorded_at": 0}
            connection.execute(insert(epochs).values(row | about))
    store.database.close()
    return job_id, sweep_id


def picture() -> bytes:
    """Give a PNG of 1024 x 1024 in one bit, with a bar in it: 300 bytes, or so."""
    paper, ink = b"\0" + b"\xff" * 128, b"\0" + b"\xff" * 60 + bytes(8) + b"\xff" * 60
    rows = zlib.compress(paper * 200 + ink * 600 + paper * 224)
    file = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", 1024, 1024, 1, 0, 0, 0, 0), b"IDAT" + rows, b"IEND"):
        file += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return file


def form(count: int) -> bytes:
    """Give a form of so many pictures."""
    return b"".join([b"--b\r\n\r\n", picture(), b"\r\n"]) * count + b"--b--\r\n"


def post(url: str, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a body, and give the status."""
    return httpx.post(url + path, content=body, headers=dict(headers), timeout=300, trust_env=False).status_code


def get(url: str) -> int:
    """Read an answer whole, and give the status."""
    return httpx.get(url, timeout=600, trust_env=False).status_code


def at_once(count: int, ask: Callable[[], int]) -> list[int]:
    """Ask so many times at once; gives the statuses."""
    with ThreadPoolExecutor(count) as threads:
        return [asked.result() for asked in [threads.submit(ask) for _ in range(count)]]


def send_pictures(url: str, senders: int, count: int) -> list[int]:
    """Send forms of so many pictures, all at once."""
    body = form(count)
    return at_once(senders, lambda: post(url, "/predict", body, FORM))


def send_bodies(url: str, size: int) -> list[int]:
    """Send what takes many times its size to read, one after the other."""
    keys = b"{%b}" % b",".join(b'"k%d":1' % number for number in range(size // 13))
    csv, v2 = {"Content-Type": "text/csv"}, "/v2/models/default/infer"
    image = json.dumps([[0, 255] * 14] * 28).encode()
    return [post(url, path, keys, JSON) for path in ("/predict", "/invocations", v2, "/v1/models/default:predict")] + [
        post(url, "/invocations", b"\n" * size, csv),
        post(url, "/invocations", b"a\r" * (size // 2), csv),
        post(url, "/invocations", b"," * size, csv),
        post(url, "/predict", b"[" * size, JSON),
        post(url, "/predict", b'{"a":' * (size // 5), JSON),
        post(url, "/predict", b'"%b"' % (b"\\u0000" * (size // 6)), JSON),
        post(url, "/predict", b'{"image":[%b[0]]}' % (b"[0]," * (size // 4)), JSON),
        post(url, "/predict", b'{"images":[%b[]]}' % (b"[]," * (size // 3)), JSON),
        post(url, "/predict", b'{"images":[%b],%b}' % (image, keys[1:-1]), JSON),
        post(url, "/invocations", b'{"instances":[%b[]]}' % (b"[]," * (size // 3)), JSON),
        post(url, v2, b'{"inputs":[%b{}]}' % (b"{}," * (size // 3)), JSON),
        post(url, "/predict", b'{"images_base64":"%b"}' % (b"A" * 7 * size), JSON),
        post(url, "/predict", b"--b\r\n\r\n\r\n" * (size // 9) + b"--b--\r\n", FORM),
        post(url, "/predict", b"--b\r\n%b\r\nx\r\n--b--\r\n" % (b"a: b\r\n" * (size // 6)), FORM),
        post(url, "/sweeps", b'{"trials":[%b1]}' % (b"1," * 400_000), JSON),
    ]


@contextmanager
def stalled(url: str, count: int, sent: int, *, path: str = "/predict", method: str = "POST") -> Iterator[None]:
    """Keep so many requests open: with bodies that stop coming, or answers that nobody reads."""
    host, port = url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(count)]
    length = b"" if method == "GET" else b"Content-Length: %d\r\nContent-Type: application/json\r\n" % (64 * MIB)
    for one in sockets:
        one.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n".encode() + length + b"\r\n")
    for one in sockets if sent else ():
        one.settimeout(1)
        try:
            one.sendall(b" " * sent)
        except OSError:  # it was refused, or is not read
            continue
    try:
        yield
    finally:
        for one in sockets:
            one.close()


def megabytes(pid: int, field: str = "VmRSS") -> int:
    """Give what a process has in memory, or had at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) // 1024


def _attacks(url: str, job_id: str, sweep_id: str) -> dict[str, Callable[[], object]]:
    history = f"{url}/jobs/{job_id}/metrics"
    sweep = f"{url}/sweeps/{sweep_id}?limit=10000"
    return {
        "6 forms of 256 pictures of 1024 x 1024": lambda: send_pictures(url, 6, 256),
        "6 forms of 1,000": lambda: send_pictures(url, 6, 1000),
        "19 bodies of 8 MB that explode": lambda: send_bodies(url, 8 * MIB - 1000),
        "2 senders of 64 MB that stall": lambda: _hold(stalled(url, 2, 63 * MIB)),
        "8 readers of 991,000 batches": lambda: at_once(
            8, lambda: httpx.get(history, timeout=600, trust_env=False).status_code
        ),
        "30 who do not read them": lambda: _hold(stalled(url, 30, 0, path=history.removeprefix(url), method="GET")),
        "20 who ask for a sweep of 10,000": lambda: at_once(
            20, lambda: httpx.get(sweep, timeout=600, trust_env=False).status_code
        ),
    }


def _hold(what: AbstractContextManager[None]) -> str:
    with what:
        time.sleep(8)
    return "held for 8 s"


def _honest(url: str, until: Callable[[], bool]) -> list[float]:
    """Ask for one prediction after the other; gives the milliseconds that each took."""
    host, port = url.removeprefix("http://").split(":")
    connection, took = HTTPConnection(host, int(port), timeout=300), list[float]()
    while not until():
        began = time.perf_counter()
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("POST", "/predict", body=bytes(range(196)) * 4, headers=headers)
        answer = connection.getresponse()
        assert (answer.read()[:8], answer.status) == (b'{"digit"', 200)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.002)
    return took


def _attack(number: int, url: str, job_id: str, sweep_id: str) -> str:
    return str(list(_attacks(url, job_id, sweep_id).values())[number]())[:60]


def _quantiles(took: list[float]) -> str:
    return " / ".join(f"{np.quantile(took, share):7.2f}" for share in (0.5, 0.99, 1))


def main() -> None:
    """Send everything, and print what became of it."""
    print(circumstances(threads=1))
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1) as stranger:
        ids = prepared(Path(folder), batches=991_000, trials=10_000)
        with serving(Path(folder), 1) as (url, process):
            get(f"{url}/jobs/{ids[0]}/metrics?max_points=4")  # loads pandas
            end = time.monotonic() + 10
            quiet = _honest(url, lambda: time.monotonic() > end)
            print(f"{'milliseconds of honest callers, p50 / p99 / most':50}{_quantiles(quiet)}")
            before = megabytes(process.pid)
            for number, name in enumerate(_attacks(url, *ids)):
                began = time.monotonic()
                attack = stranger.submit(_attack, number, url, *ids)
                took = _honest(url, attack.done)
                seconds, memory = time.monotonic() - began, megabytes(process.pid)
                print(f"{name:50}{_quantiles(took)}  {seconds:6.1f} s, {memory} MB, {attack.result()}", flush=True)
            time.sleep(3)  # what is free is given back after a second
            after, most = megabytes(process.pid), megabytes(process.pid, "VmHWM")
            print(f"memory before {before} MB, after {after} MB, at most {most} MB")


if __name__ == "__main__":
    main()
