"""One Tenfold for all pages of the walkthrough, as after `tenfold up`, and the networks that several pages look at."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.running import Stack, running_stack
from tests.walkthrough.steps import finish, train


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("walkthrough"), {"TENFOLD_GROUP_SIZE": "4"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def tenfold(stack: Stack) -> Iterator[httpx.Client]:
    """A plain HTTP client: what is done here, `curl` can do."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def trained(tenfold: httpx.Client) -> dict[str, Any]:
    """A network that has been trained."""
    return train(tenfold, name="first", epochs=10, learning_rate=0.01)


@pytest.fixture(scope="session")
def versions(tenfold: httpx.Client) -> list[dict[str, Any]]:
    """Three networks that differ by their seed alone: versions of one model."""
    spec = {"hidden_sizes": [60, 30], "epochs": 5, "batch_size": 32, "learning_rate": 0.003, "model": "reader"}
    jobs = [tenfold.post("/jobs", json={"dataset": "digits", **spec, "seed": seed}).json() for seed in range(3)]
    for job in jobs:
        finish(tenfold, job["id"])
    page: list[dict[str, Any]] = tenfold.get("/models/reader/versions").json()["data"]
    return page
