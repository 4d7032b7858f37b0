"""A server of models as a process: started, waited for until it answers, weighed, and stopped with all its children."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from bench.forms import Form, Image
from models.calibration import softmax
from service.processes.supervisor import free_port

START_SECONDS, STOP_SECONDS = 60.0, 15.0
TOLERANCE = 1e-4
_ROOT = Path(__file__).parent.parent
_QUIET = {"DO_NOT_TRACK": "1", "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"} | {
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONUNBUFFERED": "1",
}
"""Nobody reports to anybody."""


class Failed(Exception):  # noqa: N818 - it is the server that failed
    """A server did not start, or does not read what it should; says why."""


@dataclass(frozen=True)
class Reference:
    """Images, and the logits float32 [n, 10] of the network for them."""

    images: Sequence[Image]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class Server:
    """A program that serves the network, asked in one form or several.

    `{port}`, `{other}`, `{third}` and `{folder}` in `command`, `prepare` and the values of `environment` become free
    ports and the folder of this start. `prepare` runs before it, and does not count.
    """

    name: str
    version: str
    forms: Mapping[str, Form]
    """By the name under which each is reported; the first is asked until the server answers."""
    command: Sequence[str]
    environment: Mapping[str, str]
    prepare: Sequence[str] = ()
    temperature: float = 1.0
    """What it divides logits by before it makes probabilities of them."""


@dataclass(frozen=True)
class Started:
    """A server that runs."""

    url: str
    pid: int
    cold_seconds: float
    """From its start until its first answer."""

    def megabytes(self) -> float:
        """Resident memory of it and all its children; pages that they share count for each. 1 MB is 2^20 bytes."""
        pages = sum(_resident_pages(pid) for pid in family(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def started(server: Server, weights: Path, reference: Reference, folder: Path) -> Iterator[Started]:
    """Run a server until its first answer and until the end of the `with` block; raises Failed.

    `folder` is fresh, and the current one of the server.
    """
    port = free_port()
    places = {"{port}": str(port), "{other}": str(free_port()), "{third}": str(free_port()), "{folder}": str(folder)}
    environment = {
        **os.environ,
        **_QUIET,
        "PEER_WEIGHTS": str(weights),
        "PEER_PORT": str(port),
        "PYTHONPATH": str(_ROOT),
        # Some start their children by name.
        "PATH": f"{Path(server.command[0]).parent}{os.pathsep}{os.environ['PATH']}",
        **{name: _filled(value, places) for name, value in server.environment.items()},
    }
    log = folder / "log"
    if server.prepare:
        _prepare([_filled(word, places) for word in server.prepare], environment, folder, log)
    with log.open("ab") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [_filled(word, places) for word in server.command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, next(iter(server.forms.values())), reference, log)
        yield Started(url, process.pid, time.perf_counter() - begun)
    finally:
        _stop(process)


def check(url: str, form: Form, reference: Reference, temperature: float) -> None:
    """Compare all answers with the reference; raises Failed."""
    probabilities_BC = softmax(reference.logits, temperature)
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        for image, expected in zip(reference.images, probabilities_BC, strict=True):
            answered = client.post(form.path, content=form.body(image), headers=form.headers)
            if answered.status_code != httpx.codes.OK:
                raise Failed(f"it answers {answered.status_code}: {answered.text[:200]}")
            try:
                digit, probabilities = form.answer(answered.content)
            except (LookupError, TypeError, ValueError):
                raise Failed(f"its answer is not understood: {answered.text[:200]}") from None
            off = float(np.abs(np.asarray(probabilities) - expected).max())
            if digit != expected.argmax() or off > TOLERANCE:
                raise Failed(
                    f"it reads {digit} where it is {expected.argmax()}; its probabilities are off by {off:.2g}"
                )


def family(pid: int) -> dict[int, int]:
    """Give a process, those that descend from it and those of their sessions, each with the moment of its start."""
    kin, begun = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                # After the name, which stands in parentheses and may hold anything; see proc_pid_stat(5).
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                kin[int(folder.name)] = {int(fields[1]), int(fields[3])}
                begun[int(folder.name)] = int(fields[19])
    found, more = {pid}, {pid}
    while more:
        more = {other for other, its in kin.items() if its & found} - found
        found |= more
    return {member: begun[member] for member in found & begun.keys()}


def _filled(word: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _prepare(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=START_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"what comes before its start took more than {START_SECONDS:g} s") from None
    if done.returncode:
        raise Failed(f"what comes before its start ended with {done.returncode}: {_last_line(log)}")


def _wait(process: "subprocess.Popen[bytes]", url: str, form: Form, reference: Reference, log: Path) -> None:
    deadline = time.perf_counter() + START_SECONDS
    body, said = form.body(reference.images[0]), "nothing"
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        while time.perf_counter() < deadline:
            with suppress(httpx.TransportError):
                answered = client.post(form.path, content=body, headers=form.headers)
                if answered.status_code == httpx.codes.OK:
                    return
                said = f"{answered.status_code} {answered.text[:100]}"
            if process.poll() is not None:
                raise Failed(f"it ended with {process.returncode}: {_last_line(log)}")
            time.sleep(0.01)
    raise Failed(f"it did not answer within {START_SECONDS:g} s; it said {said}; {_last_line(log)}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    members = family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid, begun in members.items():
        # Not somebody else who has its number by now.
        if family(pid).get(pid) == begun:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # it has ended meanwhile
        return 0


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"its log ends with: {lines[-1][:200]}" if lines else "its log is empty"
