"""What the record refuses because of whose things are whose, or how much of them there is; see errors.py."""

from dataclasses import dataclass

from service.store.errors import StoreError


@dataclass(eq=False)
class QuotaExceeded(StoreError):
    """The account has so much of what a quota counts, and asks for so much more; in `seconds` it may, if that is known.

    It is where what is counted goes by with time, if nobody takes more meanwhile.
    """

    quota: str
    most: int
    has: int
    more: int
    seconds: int | None = None


@dataclass(eq=False)
class NoSuchAccount(StoreError):
    """There is no account of this name."""

    name: str
