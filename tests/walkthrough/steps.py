"""What the pages of the walkthrough do again and again: post a job, and wait for its end."""

from typing import Any

import httpx

from tests.waiting import wait_until

STRIPES = b"\0\xff" * 392
"""The bytes of a picture of 28 x 28 on which there is something: a blank one is refused."""


def train(tenfold: httpx.Client, **spec: Any) -> dict[str, Any]:
    """Post a job and wait for its end."""
    job = tenfold.post("/jobs", json={"dataset": "digits", **spec}).raise_for_status().json()
    return finish(tenfold, job["id"])


def finish(tenfold: httpx.Client, job_id: str) -> dict[str, Any]:
    """Wait for the end of a job."""
    return wait_until(lambda: ended(tenfold, job_id), timeout=60, what="the job to end")


def ended(tenfold: httpx.Client, job_id: str) -> dict[str, Any] | None:
    """Give a job if it has ended."""
    job: dict[str, Any] = tenfold.get(f"/jobs/{job_id}").raise_for_status().json()
    return job if job["state"] in {"succeeded", "failed", "cancelled"} else None
