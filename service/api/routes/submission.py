"""Idempotency-Key: what is submitted twice under one key is submitted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

from service.api.dependencies import Dependencies
from service.errors import Fault, Invalid
from service.store.submissions import Key, KeyReused

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


@contextmanager
def unless_reused() -> Iterator[None]:
    """Word it when something else was submitted under a key before."""
    try:
        yield
    except KeyReused:
        raise Invalid(
            "something else was submitted under this Idempotency-Key; take a new key for a new submission",
            faults=[Fault("#header/Idempotency-Key", "something else was submitted under this key")],
        ) from None


def answered(key: Key | None, deps: Dependencies) -> dict[str, Any] | None:
    """Give the answer to what was submitted under a key before, whatever has become of its data set since."""
    with unless_reused():
        return None if key is None else deps.store.submissions.answered(key)
