"""A small Python client of the API."""

import csv
import io
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_sse import connect_sse

FINAL_STATES = ("succeeded", "failed", "cancelled")


class TenfoldError(Exception):
    """The service refused; the message is the problem's detail."""


class Client:
    """Speaks to a Tenfold service at a base URL. To be closed, or used in a `with` block."""

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 60.0) -> None:
        shown = {} if key is None else {"Authorization": f"Bearer {key}"}
        # What listens on this machine is asked without a proxy, which would ask its own.
        self._http = httpx.Client(base_url=url, headers=shown, timeout=timeout, trust_env=not _is_loopback(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, **spec: Any) -> dict[str, Any]:
        """Submit a job; gives it as it was queued."""
        return self._json("POST", "/jobs", json=spec)

    def job(self, job_id: str) -> dict[str, Any]:
        """Look at a job."""
        return self._json("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job."""
        return self._json("POST", f"/jobs/{job_id}/cancel")

    def pause(self, job_id: str) -> dict[str, Any]:
        """Hold a job back, and free its worker."""
        return self._json("POST", f"/jobs/{job_id}/pause")

    def resume(self, job_id: str) -> dict[str, Any]:
        """Let a paused job go on."""
        return self._json("POST", f"/jobs/{job_id}/resume")

    def finish(self, job_id: str) -> dict[str, Any]:
        """Let a job end now, and succeed with what it has learned."""
        return self._json("POST", f"/jobs/{job_id}/finish")

    def retry(self, job_id: str) -> dict[str, Any]:
        """Train a job anew; gives the new job."""
        return self._json("POST", f"/jobs/{job_id}/retry")

    def verify(self, job_id: str) -> dict[str, Any]:
        """Train a job anew, to compare the weights; gives the new job."""
        return self._json("POST", f"/jobs/{job_id}/verify")

    def go_on(self, job_id: str, *, epochs: int, **changes: Any) -> dict[str, Any]:
        """Train a job for more epochs, or tune it with changed fields of its spec; gives the new job."""
        return self._json("POST", f"/jobs/{job_id}/continue", json={"epochs": epochs, "changes": changes})

    def follow(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what happens to a job as it happens, as (type, data), until it ends."""
        with connect_sse(self._http, "GET", f"/jobs/{job_id}/events") as source:
            source.response.raise_for_status()
            for event in source.iter_sse():
                if event.event == "end":
                    return
                if event.data:  # the parser takes a ping, once an event had an id, for an event without data
                    yield event.event, event.json()["data"]

    def metrics(self, job_id: str, *, max_points: int | None = None) -> dict[str, Any]:
        """Give the history of a job."""
        return self._json("GET", f"/jobs/{job_id}/metrics", params={"max_points": max_points} if max_points else {})

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """List the checkpoints of a job."""
        return self._json("GET", f"/jobs/{job_id}/checkpoints")

    def sweep(self, **spec: Any) -> dict[str, Any]:
        """Submit a sweep; gives it as it was queued."""
        return self._json("POST", "/sweeps", json=spec)

    def sweep_status(self, sweep_id: str, *, limit: int = 100) -> dict[str, Any]:
        """Look at a sweep and the best of its trials."""
        return self._json("GET", f"/sweeps/{sweep_id}", params={"limit": limit})

    def wait_for_sweep(self, sweep_id: str) -> dict[str, Any]:
        """Wait until a sweep has ended, however long that takes; gives it then."""
        # Without its trials, which may be many, until they are final.
        path, wait = f"/sweeps/{sweep_id}", {"Prefer": "wait=20"}
        while self._json("GET", path, params={"limit": 0}, headers=wait)["state"] == "running":
            time.sleep(0.05)  # where the service lets nobody wait
        return self.sweep_status(sweep_id)

    def cancel_sweep(self, sweep_id: str) -> dict[str, Any]:
        """Cancel a sweep."""
        return self._json("POST", f"/sweeps/{sweep_id}/cancel")

    def sweep_table(self, sweep_id: str) -> list[dict[str, str]]:
        """Give one row a job: trial, seed, state, the fields in which the trials differ, and what it reached."""
        text = self._request("GET", f"/sweeps/{sweep_id}/table.csv").text
        return list(csv.DictReader(io.StringIO(text)))

    def dataset(self, name: str) -> dict[str, Any]:
        """Look at a data set."""
        return self._json("GET", f"/datasets/{name}")

    def examples(self, job_id: str, *, limit: int) -> dict[str, Any]:
        """Give validation images of a job, and their labels."""
        return self._json("GET", f"/jobs/{job_id}/examples", params={"limit": limit})

    def predict(self, images: Sequence[Any], *, model: str | None = None) -> dict[str, Any]:
        """Read the digits in images of 28 rows of 28 numbers, 0-255."""
        return self._json("POST", "/predict", json={"images": images, "model": model})

    def models(self) -> list[dict[str, Any]]:
        """List the models, with their aliases."""
        return list(self._json("GET", "/models")["data"])

    def versions(self, model: str) -> list[dict[str, Any]]:
        """List the newest versions of a model, the newest first."""
        return list(self._json("GET", f"/models/{model}/versions")["data"])

    def promote(self, model: str, version: int, *, alias: str = "champion") -> dict[str, Any]:
        """Let an alias of a model point to a version; gives the alias."""
        return self._json("PUT", f"/models/{model}/aliases/{alias}", json={"version": version})

    def roll_back(self, model: str, *, alias: str = "champion") -> dict[str, Any]:
        """Let an alias of a model point to what it pointed to before; gives the alias."""
        return self._json("POST", f"/models/{model}/aliases/{alias}/rollback")

    def combine(self, model: str, members: Sequence[str]) -> dict[str, Any]:
        """Make a version of a model of others (`name/3`) that answer together; gives it."""
        return self._json("POST", "/models", json={"name": model, "members": members})

    def adopt(self, model: str, job_id: str, *, checkpoint: str | int = "best", **terms: Any) -> dict[str, Any]:
        """Make a version of a model of a checkpoint of a job that has ended; gives it."""
        body = {"job": job_id, "checkpoint": checkpoint, **terms}
        return self._json("POST", f"/models/{model}/versions", json=body)

    def history(self, model: str) -> dict[str, Any]:
        """Give how the aliases of a model were moved, and what was decided on its versions."""
        return self._json("GET", f"/models/{model}/history")

    def delete_model(self, model: str, *, force: bool = False) -> None:
        """Delete a model with its versions; with `force` also one that answers by aliases."""
        self._request("DELETE", f"/models/{model}", params={"force": force})

    def download(self, link: str) -> bytes:
        """Download a plot or a checkpoint by its link."""
        return self._request("GET", str(self._http.base_url.join(link))).content

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return dict(self._request(method, path, **options).json())

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self._http.request(method, path, **options)
        if response.is_error:
            raise TenfoldError(f"{response.status_code} {method} {path}: {response.json()['detail']}")
        return response


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
