"""The servers that bench/predict.py compares with: their versions, how each is installed, started and asked.

Everybody has one process that predicts, keeps no line for each request, and is else as it installs; where a server can
join requests to batches, it is measured with and without.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.forms import IMAGE, Form, OpenInference, instances
from bench.started import Server

INSTALL_SECONDS = 900.0
_STAMP = "tenfold-installed"

_SHARED = ("numpy", "pydantic", "safetensors")
"""What the network itself needs; the server chooses their versions."""


@dataclass(frozen=True)
class Rival:
    """A server of models, in an environment of its own; `command` begins with a program of that. See `Server`."""

    name: str
    package: str
    """Empty: it runs in the bench's own environment."""
    version: str
    form: Form
    command: Sequence[str]
    modes: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"": {}})
    """Name of a mode -> its environment variables."""
    extra: str = ""
    beside: Sequence[str] = ()
    """What pip is asked for besides, where the server's own wishes are too wide."""
    borrows_torch: bool = False
    """Whether it finds ours behind its own packages: a second torch would take some gigabytes."""
    prepare: Sequence[str] = ()
    needs: str = ""
    """A program of the machine."""

    @property
    def pins(self) -> tuple[str, ...]:
        """What pip is asked for."""
        return (f"{self.package}{self.extra}=={self.version}", *self.beside, *_SHARED)

    def install(self, peers: Path) -> str | None:
        """Make its environment, unless it is there; gives what went wrong."""
        if not self.package or self.is_installed(peers):
            return None
        if self.needs and not shutil.which(self.needs):
            return f"it needs {self.needs}, which is not here"
        home = self._home(peers)
        shutil.rmtree(home, ignore_errors=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", str(home)], [*pip, *self.pins]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return f"it did not install within {INSTALL_SECONDS:g} s"
            if done.returncode:
                said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                return f"it did not install: {said[-1] if said else done.stderr[-200:]}"
        if self.borrows_torch:
            lent = next(home.glob("lib/python*/site-packages")) / "lent.pth"
            lent.write_text(sysconfig.get_path("platlib"))
        (home / _STAMP).write_text(" ".join(self.pins))
        return None

    def is_installed(self, peers: Path) -> bool:
        """Whether its environment is there, with these versions."""
        stamp = self._home(peers) / _STAMP
        return not self.package or (stamp.exists() and stamp.read_text() == " ".join(self.pins))

    def servers(self, peers: Path) -> list[Server]:
        """Give a server for each of its modes."""
        programs = self._home(peers) / "bin" if self.package else Path(sys.executable).parent

        def resolved(command: Sequence[str]) -> Sequence[str]:
            return [str(programs / command[0]), *command[1:]] if command else ()

        return [
            Server(name, self.version, {name: self.form}, resolved(self.command), environment, resolved(self.prepare))
            for mode, environment in self.modes.items()
            for name in [f"{self.name}, {mode}" if mode else self.name]
        ]

    def _home(self, peers: Path) -> Path:
        return peers.absolute() / self.package


FASTAPI = Rival("FastAPI, pydantic, torch", "", version("fastapi"), IMAGE, ("python", "-m", "bench.peers.fastapi_app"))
"""Has the versions of everything that Tenfold has."""

MLSERVER = {
    "MLSERVER_DEBUG": "false",  # would print a line for each request
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_PARALLEL_WORKERS": "1",  # its default
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{other}",
    "MLSERVER_METRICS_PORT": "{third}",
    "MLSERVER_MODEL_NAME": "digits",
    "MLSERVER_MODEL_IMPLEMENTATION": "bench.peers.mlserver_runtime.Runtime",
}
IN_PROCESS = {**MLSERVER, "MLSERVER_PARALLEL_WORKERS": "0"}
_JOINED = {"MLSERVER_MODEL_MAX_BATCH_SIZE": "32", "MLSERVER_MODEL_MAX_BATCH_TIME": "0.001"}
_BENTOML = ("bentoml", "serve", "--host", "127.0.0.1", "--port", "{port}")
_MLFLOW = ("--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1")
_TORCHSERVE = ("--foreground", "--ncs", "--disable-token-auth")
_BATCH = {"PEER_BATCH": "32"}

RIVALS = (
    FASTAPI,
    Rival(
        "MLServer",
        "mlserver",
        "1.7.1",
        OpenInference().json(),
        ("mlserver", "start", "{folder}"),
        {"": MLSERVER, "in process": IN_PROCESS, "in process, batching": IN_PROCESS | _JOINED},
        beside=("uvloop==0.21.0",),  # its worker asks for an event loop as later ones do not allow
    ),
    Rival(
        "LitServe",
        "litserve",
        "0.2.19",
        IMAGE,
        ("python", "-m", "bench.peers.litserve_api"),
        {"": {}, "batching": _BATCH},
    ),
    Rival("BentoML", "bentoml", "1.4.39", IMAGE, (*_BENTOML, "bench.peers.bentoml_service:Digits")),
    Rival(
        "BentoML, batching",
        "bentoml",
        "1.4.39",
        instances("/predict", "images"),
        (*_BENTOML, "bench.peers.bentoml_service:BatchedDigits"),
    ),
    Rival("KServe", "kserve", "0.21.0", OpenInference().json(), ("python", "-m", "bench.peers.kserve_model")),
    Rival(
        "Ray Serve",
        "ray",
        "2.60.0",
        IMAGE,
        ("python", "-m", "bench.peers.ray_deployment"),
        {"": {}, "batching": _BATCH},
        extra="[serve]",
    ),
    Rival(
        "MLflow",
        "mlflow",
        "3.17.2",
        instances("/invocations", "inputs", "predictions"),
        ("mlflow", "models", "serve", "--model-uri", "{folder}/model", *_MLFLOW),
        prepare=("python", "-m", "bench.peers.mlflow_model", "{folder}/model"),
    ),
    Rival(
        "TorchServe",
        "torchserve",
        "0.12.0",
        IMAGE.at("/predictions/digits"),
        ("torchserve", "--start", "--ts-config", "{folder}/config.properties", *_TORCHSERVE),
        {"": {}, "batching": _BATCH},
        prepare=("python", "-m", "bench.peers.torchserve_handler", "{folder}", "{port}", "{other}", "{third}"),
        borrows_torch=True,
        needs="java",
    ),
)
