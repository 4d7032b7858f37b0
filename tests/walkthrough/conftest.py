"""One Tenfold for all pages of the walkthrough, as after `tenfold up`, and the networks that several pages look at."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.running import Stack, running_stack
from tests.walkthrough.steps import finish, train

SURROUNDINGS = {
    "TENFOLD_GROUP_SIZE": "4",
    # As a composition passes on what nobody has set.
    "TENFOLD_BROKER_URL": "",
    "TENFOLD_THREADS": "",
    # What other programs, a notebook and a cluster have left in the shell.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:1/0",
    "CELERY_RESULT_BACKEND": "db+sqlite:///results.sqlite3",
    "CELERY_LOADER": "no.such.loader",
    "CELERY_CUSTOM_WORKER_POOL": "no.such:Pool",
    "CELERY_WORKER_CONCURRENCY": "0",
    "BROKER_URL": "amqp://guest@127.0.0.1:1//",
    "RESULT_BACKEND": "rpc://",
    "CONFIG_MODULE": "no.such.module",
    "DJANGO_SETTINGS_MODULE": "no.such.settings",
    "PICKLE_PROTOCOL": "newest",
    "WEB_CONCURRENCY": "many",
    "FORWARDED_ALLOW_IPS": "*",
    "OMP_NUM_THREADS": "none",
    "OMP_PROC_BIND": "true",
    "PYTHONWARNINGS": "error",
    "TENFOLD_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    # Proxies lead out of the machine; what listens here is asked directly.
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started where others work: their variables are there, their files too, and the home has a name as it comes."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("celery.py", "models.py", "redis.py", "service.py", "worker.py", "celeryconfig.py"):
        (elsewhere / name).write_text("raise SystemExit('this is code of somebody else')")
    (elsewhere / "matplotlibrc").write_text("text.usetex: True")
    home = tmp_path_factory.mktemp("walkthrough") / "feature%2Fx ?y=1#z \u00e4"
    with running_stack(home, SURROUNDINGS, cwd=elsewhere) as stack:
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
