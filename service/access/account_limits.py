"""What an account may take of this machine, as far as anybody has said so; none is limited by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from service.access.scopes import SCOPES, Scope


@dataclass(frozen=True)
class Limits:
    """At most so much; None where nothing was said.

    `rates` are requests a second by scope, `queued` and `running` jobs, `stored_bytes` those of its files,
    `bytes_a_day` what it sends of data within 24 hours.
    """

    rates: tuple[tuple[Scope, float], ...] = ()
    queued: int | None = None
    running: int | None = None
    stored_bytes: int | None = None
    bytes_a_day: int | None = None

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> "Limits":
        """Take them as they are on record."""
        rates = written.get("rates", {})
        known = {field.name: written.get(field.name) for field in fields(cls) if field.name != "rates"}
        return cls(rates=tuple((scope, rates[scope]) for scope in SCOPES if scope in rates), **known)

    def written(self) -> dict[str, Any]:
        """Give them as they are kept: those of which something was said."""
        known = {name: value for name, value in vars(self).items() if name != "rates" and value is not None}
        return {**({"rates": dict(self.rates)} if self.rates else {}), **known}

    def rate(self, scopes: frozenset[Scope]) -> tuple[Scope, float] | None:
        """Give the rate that holds for a request that takes one of these scopes, if one does."""
        return next((rate for rate in self.rates if rate[0] in scopes), None)
