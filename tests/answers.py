"""What is looked for in an answer of the API: a problem, and the fields to which it points."""

from typing import Any


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
