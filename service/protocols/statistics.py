"""Counts and times of the Open Inference Protocol's answers, since this process began."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Of:
    """Sums of one model: requests and nanoseconds."""

    images: int = 0
    requests: int = 0
    failures: int = 0
    failure_ns: int = 0
    times: list[int] = field(default_factory=lambda: [0, 0, 0])  # reading, waiting and computing, wording
    last_ms: int = 0


class Statistics:
    """What was answered, model by model, under the names that requests used, and by which version; "" for a job's."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], _Of] = {}

    def know(self, model: str, version: str) -> None:
        """List a version, also if it was not asked yet."""
        self._of.setdefault((model, version), _Of())

    def succeeded(self, model: str, version: str, images: int, times: tuple[int, int, int]) -> None:
        """Count an answer: reading, computing and wording it took so many nanoseconds."""
        of = self._of.setdefault((model, version), _Of())
        of.images += images
        of.requests += 1
        of.times = [known + more for known, more in zip(of.times, times, strict=True)]
        of.last_ms = time.time_ns() // 1_000_000

    def failed(self, model: str, version: str, nanoseconds: int) -> None:
        """Count a request that a model got and that was refused."""
        of = self._of.setdefault((model, version), _Of())
        of.failures += 1
        of.failure_ns += nanoseconds

    def of(self, model: str, version: str | None = None) -> list[dict[str, Any]]:
        """Give the entries of `model_stats` of a model, or of one of its versions, the newest first."""
        known = [its for its in self._of if its[0] == model and version in (None, its[1])]
        return [self._entry(*its) for its in sorted(known, key=lambda its: (len(its[1]), its[1]), reverse=True)]

    def all(self) -> list[dict[str, Any]]:
        """Give the entries of all models that were asked."""
        return [self._entry(*its) for its in self._of]

    def _entry(self, model: str, version: str) -> dict[str, Any]:
        """Give one entry; what is not measured apart (the time in the queue, the cache) is 0."""
        of = self._of[model, version]
        nothing = {"count": 0, "ns": 0}
        read, compute, word = ({"count": of.requests, "ns": time} for time in of.times)
        return {
            "name": model,
            "version": version,
            "last_inference": of.last_ms,
            "inference_count": of.images,
            "execution_count": of.requests,
            "inference_stats": {
                "success": {"count": of.requests, "ns": sum(of.times)},
                "fail": {"count": of.failures, "ns": of.failure_ns},
                "queue": {"count": of.requests, "ns": 0},
                "compute_input": read,
                "compute_infer": compute,
                "compute_output": word,
                "cache_hit": nothing,
                "cache_miss": nothing,
            },
            "batch_stats": [],
        }
