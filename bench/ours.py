"""What bench/predict.py serves by Tenfold: a network trained through the service, and then the API alone."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.forms import IMAGE, RAW, Image, OpenInference
from bench.started import Server
from models.inference import Network, read
from service.cli.demo import REPORT_TRIAL_1
from service.client import Client
from service.processes import programs
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings

JSON, BYTES, TWO = "Tenfold", "Tenfold, raw bytes", "Tenfold, two processes"
OIP = ("Tenfold, OIP v2 JSON", "Tenfold, OIP v2 binary")
COMMAND = (sys.executable, "-m", "service.cli", "api")
PROCESSES = "TENFOLD_API_PROCESSES"


@dataclass(frozen=True)
class Trained:
    """A network that was trained, its weights file, the temperature of its probabilities, and images it never saw."""

    settings: Settings
    dataset: str
    weights: bytes
    temperature: float
    images: Sequence[Image]

    @property
    def network(self) -> Network:
        """The network as the API reads it."""
        return read(self.weights)

    def servers(self) -> list[Server]:
        """Give the API, asked in all forms, and if there may be two processes of it, those."""
        oip = OpenInference("/v2/models/default/infer", pixels="pixels", digit="digit")
        forms = {JSON: IMAGE, BYTES: RAW, OIP[0]: oip.json(), OIP[1]: oip.binary()}
        environment = {**self.settings.environment(), "TENFOLD_PORT": "{port}"}
        alone = Server(JSON, version("tenfold"), forms, COMMAND, environment, temperature=self.temperature)
        return [alone, replace(alone, name=TWO, forms={TWO: IMAGE}, environment={**environment, PROCESSES: "2"})]


def train(home: Path, images: int) -> Trained:
    """Train the study's first network for an epoch, everything started for real, and stop everything."""
    broker_port = free_port()
    settings = Settings(
        home=home,
        data=Settings().data,
        host="127.0.0.1",
        port=free_port(),
        database_url=f"sqlite:///{home}/tenfold.sqlite3",
        broker_url=f"redis://127.0.0.1:{broker_port}/0",
        workers=1,
    )
    everything = [programs.broker(settings, broker_port), *programs.workers(settings), programs.api(settings)]
    with Supervisor(everything, home / "logs"), Client(f"http://127.0.0.1:{settings.port}") as client:
        mnist = client.dataset("mnist")
        while mnist["state"] == "pending":
            mnist = client.dataset("mnist")
        dataset = "mnist" if mnist["state"] == "ready" else "digits"
        job = client.submit(**{**REPORT_TRIAL_1, "dataset": dataset, "epochs": 1})
        for _ in client.follow(job["id"]):
            pass
        job = client.job(job["id"])
        if job["state"] != "succeeded":
            raise SystemExit(f"the job {job['state']}: {job['error']}")
        weights = client.download(f"/jobs/{job['id']}/checkpoints/best.safetensors")
        examples = client.examples(job["id"], limit=images)["images"]
        facts = client.versions(job["spec"]["model"])[0]["facts"]
    unseen = [np.array(image, dtype=np.uint8) for image in examples]
    return Trained(settings, dataset, weights, facts["temperature"], unseen)
