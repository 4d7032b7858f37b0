"""The claim on an evaluation is kept alive while it is made, however long that takes."""

import logging
import threading
from types import TracebackType
from typing import Self

from service.settings import Settings
from service.store.engine import DatabaseError, Row, cause
from service.store.errors import LeaseLost
from service.store.evaluations import Evaluations

_logger = logging.getLogger(__name__)


class Held:
    """Renews a claim in a thread, within a `with` block; that it was lost is learned by who writes its result."""

    def __init__(self, evaluations: Evaluations, held: Row, settings: Settings) -> None:
        self._evaluations, self._held, self._settings = evaluations, held, settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._settings.heartbeat_seconds):
            try:
                self._evaluations.renew(self._held)
            except LeaseLost:
                return
            except DatabaseError as error:
                _logger.warning("the lease of an evaluation could not be renewed: %s", cause(error))
