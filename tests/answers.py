"""What is looked for in an answer of the API: a problem, and the fields to which it points."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

_MACHINE = (str(Path(__file__).parents[1]), sys.prefix, sys.base_prefix + "/lib", tempfile.gettempdir())


def without_paths(answer: httpx.Response) -> None:
    """Check that an answer names no folder of the machine: a hook for clients, who then check all of their answers."""
    if answer.headers.get("content-type", "").startswith(("application/json", "application/problem+json", "text/")):
        told = [path for path in _MACHINE if path in answer.read().decode(errors="replace")]
        assert told == [], (answer.request.url, answer.text)


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Check that the answer is a problem document of this status, without a trace of the code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(document)
    assert document["status"] == status
    assert "Traceback" not in answer.text
    assert len(answer.content) < 10_000
    return document


def pointers(answer: Any) -> set[str]:
    return {error["pointer"] for error in problem(answer, 422)["errors"]}
