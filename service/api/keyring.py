"""Whose a key is: looked up seldom, compared every time, and known for a second at most.

Nobody waits for that while it is used: at half of the second the record is asked anew, as of networks that answer.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from service.access import key_text, ticket
from service.access.account_limits import Limits
from service.access.caller import Caller
from service.access.key_text import KeyText
from service.api.watch import Watch
from service.errors import Forbidden, Unauthorized
from service.predict.executors import LOOK_UP, apart
from service.store.api_keys import ApiKeys
from service.store.engine import DatabaseError, Row, cause

FRESH_SECONDS = 1.0
_KNOWN = 4096
_USED_SECONDS = 60.0

_logger = logging.getLogger(__name__)


@dataclass
class _Known:
    key_id: str
    row: Row | None
    caller: Caller | None
    looked_up: float


class Keyring:
    """The keys that were shown of late; `clock` in seconds, `now` since 1970."""

    def __init__(
        self, keys: ApiKeys, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._keys, self._clock, self._now = keys, clock, now
        self._known: dict[str, _Known] = {}
        # By digests, which whoever tries keys cannot choose: how long it takes to look one up tells nothing of others.
        self._proven: dict[bytes, str] = {}
        self._lookups: dict[str, asyncio.Task[_Known]] = {}
        self.watch = Watch(keys.good)

    def at_hand(self, headers: Mapping[bytes, bytes]) -> Caller | None:
        """Tell who shows a key, if that can be told without waiting, and it was compared before."""
        known = self._known.get(self._proven.get(_digest(headers), ""))
        if known is None:
            return None
        age = self._clock() - known.looked_up
        if age > FRESH_SECONDS / 2:
            self._look_up(known.key_id)
        return known.caller if age <= FRESH_SECONDS else None

    async def find(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Tell who shows a key; raises Unauthorized."""
        if (caller := self.at_hand(headers)) is not None:
            return caller
        key = _read(key_text.shown(headers))
        known = self._known.get(key.id)
        if known is None or self._clock() - known.looked_up > FRESH_SECONDS:
            known = await asyncio.shield(self._look_up(key.id))
        caller = _compared(key, known)
        self._proven[_digest(headers)] = key.id
        if len(self._proven) > _KNOWN:
            del self._proven[next(iter(self._proven))]
        return caller

    async def of_ticket(self, text: str, path: str) -> Caller:
        """Tell who had a ticket made for this path; it lets them look, and nothing else. Raises Unauthorized."""
        its = ticket.read(text)
        if its is None:
            raise Unauthorized("this is no ticket; POST /tickets gives one")
        known = self._known.get(its.key_id)
        if known is None or self._clock() - known.looked_up > FRESH_SECONDS:
            known = await asyncio.shield(self._look_up(its.key_id))
        if known.row is None or known.caller is None or not its.fits(known.row.secret_sha256, path):
            raise Unauthorized("this ticket is for another path, or by a key that is not good any more")
        if its.until < self._now():
            raise Unauthorized("this ticket has expired; POST /tickets gives another")
        return replace(known.caller, scopes=known.caller.scopes & {"read"})

    def ticket(self, caller: Caller, path: str, seconds: int) -> tuple[str, int]:
        """Make a ticket for a path; gives it, and until when it is good. Raises Forbidden for who shows no key."""
        known = None if caller.key_id is None else self._known.get(caller.key_id)
        if known is None or known.row is None:
            raise Forbidden("a ticket is made for who shows a key")
        until = int(self._now()) + seconds
        return ticket.made(known.row.id, known.row.secret_sha256, path, until), until

    def _look_up(self, key_id: str) -> "asyncio.Task[_Known]":
        lookup = self._lookups.get(key_id)
        if lookup is None:
            lookup = self._lookups[key_id] = asyncio.create_task(self._ask(key_id))
            lookup.add_done_callback(lambda done: self._forget(key_id, done))
        return lookup

    def _forget(self, key_id: str, done: "asyncio.Task[_Known]") -> None:
        del self._lookups[key_id]
        if not done.cancelled() and done.exception() is not None:
            self._known.pop(key_id, None)  # the next to ask waits for an answer, and is told why there is none

    async def _ask(self, key_id: str) -> _Known:
        now = self._clock()
        row = await apart(LOOK_UP, self._row, key_id)
        self._known.pop(key_id, None)
        known = self._known[key_id] = _Known(key_id, row, None if row is None else _caller(row), now)
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]
        return known

    def _row(self, key_id: str) -> Row | None:
        row = self._keys.get(key_id)
        if row is not None and (row.used_at is None or self._now() - row.used_at / 1000 > _USED_SECONDS):
            try:
                self._keys.used(row)
            except DatabaseError as error:  # it is good all the same
                _logger.warning("the use of key %s could not be noted: %s", key_id, cause(error))
        return row


def _digest(headers: Mapping[bytes, bytes]) -> bytes:
    return sha256(headers.get(b"x-api-key") or headers.get(b"authorization", b"")).digest()


def _read(shown: str | None) -> KeyText:
    if shown is None:
        raise Unauthorized("this takes a key; send it as Authorization: Bearer tf_...")
    key = key_text.read(shown)
    if key is None:
        raise Unauthorized("this is no key, or not a whole one; they begin with tf_ and end with a checksum")
    return key


def _compared(key: KeyText, known: _Known) -> Caller:
    if known.row is None or known.caller is None or not hmac.compare_digest(known.row.secret_sha256, key.digest):
        raise Unauthorized("this key is not good, or not any more")
    return known.caller


def _caller(row: Row) -> Caller:
    return Caller(row.account, frozenset(row.scopes), row.id, Limits.of(row.limits) if row.limits else None)
