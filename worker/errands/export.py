"""Writes a version in a form for programs of others; that needs torch, which the API does not have."""

from typing import Literal

from models.export.onnx_file import to_onnx
from models.export.program import to_pt2
from service.artifacts import Artifacts
from service.store import owners
from service.store.store import Store
from service.store.versions import WEIGHTS, exported
from worker.errands.failure import refuse

_WRITERS = {"onnx": to_onnx, "pt2": to_pt2}


def export(model: str, version: int, form: Literal["onnx", "pt2"], store: Store, artifacts: Artifacts) -> None:
    """Write the file, unless it is there; where that cannot be done, why, in its place."""
    owner = owners.of_version(model, version)
    row, weights = store.models.version(model, version), store.files.get(owner, WEIGHTS)
    if row is None or weights is None or store.files.get(owner, exported(form)) is not None:
        return
    name = exported(form)
    try:
        content = _WRITERS[form](artifacts.read(weights.key, weights.sha256), row.facts.get("temperature", 1.0))
    except Exception as error:  # noqa: BLE001 - torch and ONNX raise what they like, and somebody waits for an answer
        refuse(owner, name, error, store, artifacts)
        return
    artifacts.remove(store.files.publish(owner, [artifacts.write(owner, name, content)]))
