"""MLflow: the network as a model of its own kind, which `mlflow models serve` then answers with.

Run as a program it writes the model into the folder that is named.
"""

import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from bench.peers import network


class Digits(PythonModel):
    """The network as MLflow calls it."""

    def load_context(self, context: object) -> None:  # noqa: ARG002 - MLflow's signature
        """Read the weights."""
        self._network = network.load()

    def predict(
        self,
        context: object,  # noqa: ARG002 - MLflow's signature
        model_input: NDArray[np.float32],
        params: object = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """Images [n, 28, 28] -> what is answered for each."""
        return [network.plain(row) for row in self._network.probabilities(np.asarray(model_input))]


if __name__ == "__main__":
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 28, 28))]))
    folder = Path(sys.argv[1])
    if not folder.exists():
        mlflow.pyfunc.save_model(folder, python_model=__file__, signature=signature, pip_requirements=[])
else:
    set_model(Digits())
