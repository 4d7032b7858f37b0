"""TorchServe: a Java front that hands requests to one Python process, alone or joined.

Run as a program it writes what `torchserve` is started with into the folder that is named.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import network

LOADED: list[Any] = []


def handle(data: Sequence[Any] | None, context: object) -> list[Any] | None:  # noqa: ARG001 - TorchServe's signature
    """Answer the requests of one batch; the first call, without data, only loads."""
    if not LOADED:
        LOADED.append(network.load())
    if data is None:
        return None
    bodies = [row.get("body", row.get("data")) for row in data]
    asked = [body if isinstance(body, dict) else json.loads(body) for body in bodies]
    images = np.array([body["image"] for body in asked], dtype=np.float32)
    return [network.plain(row) for row in LOADED[0].probabilities(images)]


def describe(folder: Path, *ports: str) -> None:
    """Write the model and the settings that `torchserve` is started with; it listens on three ports."""
    about = folder / "models" / "digits" / "MAR-INF" / "MANIFEST.json"
    # A handler is a file beside the model.
    handler = folder / "models" / "digits" / "digits_handler.py"
    about.parent.mkdir(parents=True, exist_ok=True)
    handler.write_text(f"from {__package__}.torchserve_handler import handle\n")
    model = {"modelName": "digits", "modelVersion": "1.0", "handler": "digits_handler.py"}
    about.write_text(json.dumps({"runtime": "python", "model": model, "archiverVersion": "0.12.0"}))
    served = {
        "defaultVersion": True,
        "marName": "digits",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": network.batch(),
        "maxBatchDelay": 1,  # milliseconds
        "responseTimeout": 60,
    }
    addresses = zip(("inference", "management", "metrics"), ports, strict=True)
    lines = [f"{name}_address=http://{network.HOST}:{port}" for name, port in addresses]
    lines += [
        "load_models=digits",
        f"models={json.dumps({'digits': {'1.0': served}})}",
        f"model_store={folder / 'models'}",
    ]
    (folder / "config.properties").write_text("\n".join(lines))


if __name__ == "__main__":
    describe(Path(sys.argv[1]), *sys.argv[2:])
