"""Who asks: an account, the key by which it does, and the scopes of that."""

from dataclasses import dataclass

from service.access.account_limits import Limits
from service.access.scopes import SCOPES, Scope


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request; `key_id` is none where no key was asked for, `limits` where nothing is limited."""

    account: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    limits: Limits | None = None


OPEN = Caller("default", frozenset(SCOPES))
"""Whoever asks where keys are not asked for."""
