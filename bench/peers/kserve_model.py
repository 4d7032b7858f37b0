"""KServe's Python server, asked by the Open Inference Protocol."""

import logging

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid

from bench.peers.network import load, port


class Digits(Model):
    """The network as a model of KServe."""

    def __init__(self) -> None:
        super().__init__("digits")
        self.load()

    def load(self) -> bool:
        """Read the weights."""
        self._network = load()
        self.ready = True
        return True

    async def predict(self, payload: InferRequest, headers: object = None, response_headers: object = None) -> object:  # noqa: ARG002
        """Answer one request."""
        probabilities = self._network.probabilities(payload.inputs[0].as_numpy())
        row, label = (
            InferOutput("probabilities", list(probabilities.shape), "FP32"),
            InferOutput("label", [len(probabilities)], "INT64"),
        )
        row.set_data_from_numpy(probabilities, binary_data=False)
        label.set_data_from_numpy(probabilities.argmax(axis=1), binary_data=False)
        return InferResponse(payload.id or generate_uuid(), self.name, [row, label])


if __name__ == "__main__":
    # Its line for each request is left out, as the others' is.
    server = ModelServer(http_port=port(), enable_grpc=False, enable_latency_logging=False)
    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).disabled = True
    server.start([Digits()])
