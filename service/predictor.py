"""Trained networks, loaded once and kept."""

from dataclasses import dataclass
from functools import lru_cache

from models.inference import Network, read
from service.artifacts import Artifacts
from service.errors import Conflict, Damaged, NotFound, NotYet
from service.store import Store
from service.store.states import owner_of

_TRIES = 5  # the best checkpoint of a running job may be replaced between looking it up and reading it


@dataclass(frozen=True)
class Served:
    """A network and where it comes from."""

    network: Network
    job_id: str
    weights_sha256: str


class Predictor:
    """Finds the network that a request asks for; the last 16 that were used stay loaded."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store = store

        @lru_cache(maxsize=16)
        def load(key: str, sha256: str) -> Network:
            return read(artifacts.read(key, sha256))

        self._load = load

    def find(self, job_id: str | None) -> Served:
        """Give the best checkpoint of a job, or of the job that succeeded last."""
        chosen = job_id or self._store.jobs.newest_model()
        if chosen is None:
            raise NotFound("there is no model yet: train one with POST /jobs and wait until it has succeeded")
        for _ in range(_TRIES):
            file = self._store.files.get(owner_of(chosen), "best.safetensors")
            if file is None:
                break
            try:
                return Served(self._load(file.key, file.sha256), chosen, file.sha256)
            except FileNotFoundError:
                continue
            except ValueError as error:
                raise Damaged(f"the best checkpoint of job {chosen} can not be used: {error}") from error
        if self._store.jobs.get(chosen) is None:
            raise NotFound(f"there is no job {chosen}")
        if file is None:
            raise Conflict(f"job {chosen} has not finished an epoch yet, so there is nothing to predict with")
        raise NotYet(f"the checkpoint of job {chosen} is being replaced; try again", retry_after=1)
