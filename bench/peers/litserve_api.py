"""LitServe: requests go from the process that listens to one that predicts."""

from collections.abc import Mapping
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from bench.peers import network

BATCH = network.batch()


class Api(litserve.LitAPI):
    """The network as LitServe wants it."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Read the weights."""
        self._network = network.load()

    def decode_request(self, request: Mapping[str, Any]) -> NDArray[np.float32]:
        """The JSON of a request -> float32 [28, 28]."""
        return network.pixels(request["image"])[0]

    def predict(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """One image, or as many as LitServe has stacked -> their probabilities."""
        rows = self._network.probabilities(pixels)
        return rows if BATCH > 1 else rows[0]

    def encode_response(self, row: NDArray[np.float32]) -> dict[str, Any]:
        """The probabilities of one image -> JSON."""
        return network.plain(row)


if __name__ == "__main__":
    # A batch that is not full waits for a millisecond at most.
    api = Api(max_batch_size=BATCH, batch_timeout=0.001 if BATCH > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(
        host=network.HOST,
        port=network.port(),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
