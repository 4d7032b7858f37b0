"""Something is computed when it is first asked for, once, whichever thread asks; then what it was made of may go."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Once(Generic[Made]):
    """Computes when called, and gives what came of it from then on; what is raised is raised again for the next."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make: Callable[[], Made] | None = make
        self._lock = threading.Lock()
        self._made: Made

    def __call__(self) -> Made:
        """Give it, computed now if it was not yet."""
        with self._lock:
            if self._make is not None:
                self._made = self._make()
                self._make = None
            return self._made
