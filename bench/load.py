"""Load on a server by wrk: one thread, some connections, each with one request under way, for some seconds."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.forms import Form, Image

MISSING = "there is no wrk here; nothing was measured. On Debian: apt-get install wrk"
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """What wrk has seen."""

    rate: float
    """Requests answered with 2xx or 3xx, a second."""
    p50: float
    """Milliseconds."""
    p99: float
    errors: int
    """Answers with another status, and requests without an answer."""


def is_here() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def put_down(folder: Path, form: Form, images: Sequence[Image]) -> Path:
    """Write the requests for wrk to read; gives their folder."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        (folder / str(number)).write_bytes(form.body(image))
    (folder / "headers").write_text("".join(f"{name}\n{value}\n" for name, value in form.headers.items()))
    return folder


def load(url: str, path: str, folder: Path, images: int, *, connections: int, seconds: float) -> Load:
    """Ask as fast as the server answers. `folder` is one of `put_down`; wrk counts whole seconds."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "--script", str(_SCRIPT), url, "--", str(folder), str(images), path]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    figures = next(line for line in said.splitlines() if line.startswith("FIGURES")).split()[1:]
    requests, microseconds, broken, refused, p50, p99 = map(int, figures)
    return Load((requests - refused) / microseconds * 1e6, p50 / 1000, p99 / 1000, broken + refused)
