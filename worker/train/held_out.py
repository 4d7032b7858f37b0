"""What the best network of a job is worth on the test part: measured once, when its training has ended."""

import logging

from models.checkpoints import unpack_weights
from models.data.split import Split
from models.evaluation import accuracy
from models.networks import build
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.disk.faults import may_pass
from service.store import owners
from service.store.store import Store

_logger = logging.getLogger(__name__)


def measure(job_id: str, spec: TrainingSpec, split: Split, store: Store, artifacts: Artifacts) -> float | None:
    """Give the accuracy of a job's best weights, as they are on the disk, on the test part; None where there is none.

    None as well where they cannot be read, which is logged. Raises OSError while that may pass.
    """
    if split.x_test is None or split.y_test is None:
        return None
    best = store.files.get(owners.of_job(job_id), "best.safetensors")
    if best is None:
        return None
    try:
        weights = unpack_weights(artifacts.read(best.key, best.sha256))
    except (ValueError, OSError) as error:
        if may_pass(error):
            raise
        _logger.warning("job %s: its network could not be measured on the test part: %s", job_id, error)
        return None
    network = build(spec, seed=0, inputs=split.inputs, classes=len(split.classes))
    network.load_state_dict(weights)
    return accuracy(network.to(split.y_test.device), split.x_test, split.y_test)
