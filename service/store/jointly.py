"""What several threads ask for at one time is done at once: who comes first does it for all who wait by then."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class _Asked(Generic[Q, A]):
    def __init__(self, question: Q) -> None:
        self.question = question
        self.outcome: A | Exception | None = None
        self.turn = Event()


class Together(Generic[Q, A]):
    """Questions that are answered by a function, which is given at most `most` of them in the order they came in.

    It gives an answer, or an exception to raise, for each. It is never called twice at a time; whoever has been
    answered leaves, and the first of those who came meanwhile calls it next.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A | Exception]], *, most: int = 64) -> None:
        self._answer, self._most = answer, most
        self._lock = Lock()
        self._waiting: deque[_Asked[Q, A]] = deque()

    def ask(self, question: Q) -> A:
        """Give the answer to one question; raises what it is answered with."""
        mine = _Asked[Q, A](question)
        with self._lock:
            self._waiting.append(mine)
            if self._waiting[0] is mine:
                mine.turn.set()
        mine.turn.wait()
        if mine.outcome is None:
            self._lead()
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None, "who has led has answered itself too"
        return mine.outcome

    def _lead(self) -> None:
        """Answer the questions that wait: its own is the first of them, and stays until then, lest two lead."""
        with self._lock:
            batch = list(self._waiting)[: self._most]
        outcomes: Sequence[A | Exception] = []
        try:
            outcomes = self._answer([asked.question for asked in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            outcomes = [error] * len(batch)
        finally:
            with self._lock:
                for _ in batch:
                    self._waiting.popleft()
                following = self._waiting[0] if self._waiting else None
            for asked, outcome in zip(batch, outcomes or [RuntimeError("nobody answers")] * len(batch), strict=True):
                asked.outcome = outcome
                asked.turn.set()
            if following is not None:
                following.turn.set()
