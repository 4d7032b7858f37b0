"""Delivers what lies in the outboxes of webhooks, beside the errands of their worker and in a thread of its own.

Of all processes that is the one for which nobody waits: no network is trained there, and no prediction is answered.
"""

import asyncio
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from service.store.deliveries import Outcome, Taken
from service.store.engine import DatabaseError, cause
from service.store.store import Store
from worker.errands.deliveries.sender import Answer, Sender
from worker.errands.deliveries.signing import headers

_logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Messages under way to one webhook; to one that fails it is one, until one has arrived."""

OF_ACCOUNT = 64
"""Messages under way to all webhooks of an account: one whose receivers hang leaves the others their turns."""

IN_ALL = 512
"""Messages under way: each holds a connection open, of which a process may have so many."""

LATER_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after each attempt that failed the next one comes, give or take a tenth; then a message is given up."""

_JITTER = 0.1
_LOOK_SECONDS = 0.5
_GATHER_SECONDS = 0.02
_FORGET_SECONDS = 600.0
_GONE = 410


class Deliverer:
    """Takes what is due, sends it, and notes what came of it."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        sender: Sender,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._open_store, self._sender, self._clock, self._chance = open_store, sender, clock, chance
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self._to: Counter[int] = Counter()
        self._forgotten_at = float("-inf")

    def start(self) -> None:
        """Begin to deliver."""
        threading.Thread(target=lambda: asyncio.run(self._deliver_for_ever()), name="webhooks", daemon=True).start()

    async def _deliver_for_ever(self) -> None:
        while True:
            try:
                is_busy = await self.turn()
            except DatabaseError as error:
                _logger.warning("the database did not answer: %s", cause(error))
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            except Exception:
                # What was taken is due again after a while, and what is sent twice has one id.
                _logger.exception("nothing was delivered for a moment")
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if not is_busy and not self._under_way:
                await asyncio.sleep(_LOOK_SECONDS)
            elif not is_busy:
                await asyncio.wait(self._under_way, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(_GATHER_SECONDS)  # what else ends now is noted in the same transaction

    async def turn(self) -> bool:
        """Note what has been sent, and send what is due; gives whether there was anything to send."""
        store = await asyncio.to_thread(self._open_store)
        await self._note(store)
        await asyncio.to_thread(self._look_after, store)
        if len(self._under_way) > IN_ALL - OF_ACCOUNT:
            return False
        room = {webhook: AT_ONCE - count for webhook, count in self._to.items() if count}
        taken = await asyncio.to_thread(store.deliveries.take, room, usual=AT_ONCE, of_account=OF_ACCOUNT)
        for each in taken:
            self._to[each.webhook] += 1
            self._under_way.add(asyncio.create_task(self._attempt(each)))
        return bool(taken)

    async def all(self) -> None:
        """Deliver until nothing is due and nothing is under way."""
        while await self.turn() or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _note(self, store: Store) -> None:
        ended = {task for task in self._under_way if task.done()}
        if ended:
            outcomes = [task.result() for task in ended]
            await asyncio.to_thread(store.deliveries.end, outcomes)
            self._under_way -= ended
            self._to.subtract(outcome.taken.webhook for outcome in outcomes)

    async def _attempt(self, taken: Taken) -> Outcome:
        body, now = taken.body.encode(), int(self._clock())
        try:
            answer = await self._sender.send(taken.url, headers(taken.id, now, body, taken.secrets), body)
        except Exception:
            _logger.exception("an attempt to deliver %s broke off", taken.id)
            answer = Answer(problem="the attempt broke off; the log of the worker for errands says why")
        return self._outcome(taken, answer)

    def _outcome(self, taken: Taken, answer: Answer) -> Outcome:
        outcome = Outcome(taken, answer.is_welcome, answer.status, answer.problem, answer.shown)
        if answer.status == _GONE:
            return replace(outcome, is_gone=True)
        if answer.is_welcome or taken.attempt > len(LATER_SECONDS):
            return outcome
        usual = LATER_SECONDS[taken.attempt - 1] * (1 - _JITTER + 2 * _JITTER * self._chance())
        wished = min(answer.retry_after or 0.0, LATER_SECONDS[-1])
        return replace(outcome, again_ms=int(max(usual, wished) * 1000))

    def _look_after(self, store: Store) -> None:
        store.sweeps.tell_ends()
        store.deliveries.give_up()
        now = time.monotonic()
        if now - self._forgotten_at > _FORGET_SECONDS:
            while store.deliveries.forget():
                pass
            self._forgotten_at = now
