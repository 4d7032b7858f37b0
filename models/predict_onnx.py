"""Predicts with an ONNX file, by ONNX Runtime and without torch: https://onnxruntime.ai."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data import schema as schemas
from models.data.plan import Plan
from models.data.schema import USUAL, Table


class Outputs(NamedTuple):
    """What a network gives for n examples: float32 [n, C] twice, and the names of their classes, [n]."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels: NDArray[Any]


class OnnxNetwork:
    """A network that was exported here, with the schema and, for a table, the plan that its file tells.

    On one thread. Raises ValueError without the package of the extra `export`, or for another file. Files of before say
    nothing of themselves, and are of MNIST's form.
    """

    def __init__(self, file: bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ValueError(
                "ONNX files need packages that are not installed here: pip install 'tenfold[export]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a training process has one
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            about = self._session.get_modelmeta().custom_metadata_map
            self.schema = schemas.TEXT.validate_json(about["schema"]) if "schema" in about else USUAL
            self.plan = Plan.model_validate_json(about["plan"]) if isinstance(self.schema, Table) else None
            self._names = [its.name for its in self._session.get_outputs()]
        except Exception as error:  # what it raises has no name, and differs from release to release
            raise _none(error) from error
        if not {"logits", "probabilities"} <= set(self._names):
            raise _none("it gives other outputs")

    def predict(self, feeds: Mapping[str, NDArray[Any]]) -> Outputs:
        """Predict what is given by the names of the inputs; see `models.export.forms.feeds`."""
        try:
            found = dict(zip(self._names, self._session.run(self._names, dict(feeds)), strict=True))
        except Exception as error:  # as above
            raise _none(error) from error
        probabilities = found["probabilities"]
        labels = found.get("label")
        if labels is None:
            labels = np.array(self.schema.classes, object)[probabilities.argmax(axis=1)]
        return Outputs(found["logits"], probabilities, labels)


def _none(error: object) -> ValueError:
    return ValueError(f"this is no ONNX file of a network that was exported here: {error}")
