"""Ray Serve: a proxy that listens and one replica that predicts, with and without its batching."""

from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from bench.peers import network


class Digits:
    """The network as a deployment of Ray Serve."""

    def __init__(self) -> None:
        self._network = network.load()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Read one digit."""
        asked = await request.json()
        return network.plain(self._network.probabilities(network.pixels(asked["image"]))[0])


class BatchedDigits:
    """The same, joined with what waits beside it."""

    def __init__(self) -> None:
        self._network = network.load()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def _together(self, images: list[Any]) -> list[dict[str, Any]]:
        rows = self._network.probabilities(np.array(images, dtype=np.float32))
        return [network.plain(row) for row in rows]

    async def __call__(self, request: Request) -> Any:
        """Read one digit, and those that wait beside it."""
        asked = await request.json()
        return await self._together(asked["image"])


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    serve.start(http_options={"host": network.HOST, "port": network.port(), "access_log": False})
    kind = BatchedDigits if network.batch() > 1 else Digits
    deployment = serve.deployment(kind, max_ongoing_requests=100, logging_config={"enable_access_log": False})
    serve.run(deployment.bind(), route_prefix="/predict", blocking=True)
