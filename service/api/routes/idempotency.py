"""Idempotency-Key: what is submitted twice under one key is submitted once."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

from service.api.dependencies import Dependencies
from service.store.submissions import Key

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]+$",
        max_length=255,
        description="Any string of the client's, a UUID for instance. A request that is repeated with it within 48 "
        "hours submits nothing a second time, and is answered with what it submitted the first time.",
    ),
]


def key_to(name: str | None, spec: BaseModel) -> Key | None:
    """Give the key of a submission that has one."""
    return None if name is None else Key(name, sha256(spec.model_dump_json().encode()).hexdigest())


def answered(key: Key | None, deps: Dependencies) -> dict[str, Any] | None:
    """Give the answer to what was submitted under a key before, whatever has become of its data set since."""
    return None if key is None else deps.store.submissions.answered(key)
