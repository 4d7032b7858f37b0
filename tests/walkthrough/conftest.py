"""One Tenfold for the whole walkthrough: everything runs, as after `tenfold up`."""

from collections.abc import Iterator

import httpx
import pytest

from tests.running import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("walkthrough"), {"TENFOLD_GROUP_SIZE": "4"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def tenfold(stack: Stack) -> Iterator[httpx.Client]:
    """A plain HTTP client: what is done here, `curl` can do."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client
