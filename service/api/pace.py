"""How long jobs take here: judged by what jobs that ended lately have taken, of whomever."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from models.data.builtin import BUILTIN
from models.data.schema import Images, Table
from models.data.schema import read as read_schema
from models.estimate import Measured, estimate
from models.spec import TrainingSpec
from models.workload import Data, seconds
from service.store.engine import Row
from service.store.resolution import Meant
from service.store.states import shape_of
from service.store.store import Store

JudgedBy = Literal["equal", "others", "paper"]
"""By jobs that do the very same in an epoch, by others that were trained here, or by nothing that was."""

_LATELY, _ALIKE = 200, 5
_KNOWN_FOR_SECONDS = 5.0
_USUAL_OVERHEAD = 0.5
_DIGITS = 1797


@dataclass(frozen=True)
class Estimate:
    """Seconds of an epoch, and of what comes before and after all of them; of a job alone in its process."""

    epoch_seconds: float
    overhead_seconds: float
    judged_by: JudgedBy
    jobs: int

    def of(self, spec: TrainingSpec, *, done: int = 0) -> float:
        """Give the seconds of a job that has done some of its epochs; patience may end it sooner."""
        training = (spec.epochs - done) * self.epoch_seconds
        return self.overhead_seconds + min(training, math.inf if spec.max_seconds is None else spec.max_seconds)


def amounts(spec: TrainingSpec, meant: Meant) -> Data | None:
    """Tell how much a spec has to learn from; None where nobody has counted it yet."""
    row, source = meant.row, BUILTIN.get(meant.reference)
    schema: Images | Table
    if row is not None and row.schema is not None:
        schema = read_schema(row.schema)
    elif source is not None:
        schema = source.schema
    else:
        return None
    inputs, classes = schema.inputs, len(schema.classes)
    own = (row.reading["taken_for"].get("split") or {}) if row is not None and row.reading else {}
    if own.get("train") and own.get("validation"):
        return Data(own["train"], own["validation"], inputs, classes)
    if own.get("train"):
        examples = own["train"]
    elif row is not None and row.description is not None:
        examples = sum(row.description["class_counts"])
    elif source is not None:
        examples = (source.files[0].size - 16) // inputs if source.files else _DIGITS
    else:
        return None
    validation = math.ceil(examples * spec.validation_fraction)
    return Data(examples - validation, validation, inputs, classes)


class Pace:
    """Judges specs; what it judges by is read again every few seconds, while anybody asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._read_at = -math.inf
        self._lately: list[Measured] = []
        self._overhead = _USUAL_OVERHEAD

    def estimate(self, spec: TrainingSpec, data: Data, account: str) -> Estimate:
        """Give what a resolved spec will take, for whose it is: that others have trained an equal one is not told."""
        on_paper = seconds(spec, data)
        with self._lock:
            # The first job that ends tells more than all on paper: it is not left out for a moment.
            if not self._lately or time.monotonic() - self._read_at > _KNOWN_FOR_SECONDS:
                self._read()
            lately, overhead = self._lately, self._overhead
        rows = self._store.queue.learned(shape=shape_of(spec, account), limit=_ALIKE)
        alike = self._measured(rows)
        same = sum(its.on_paper == on_paper for its in self._measured([row for row in rows if row.account == account]))
        measured = [*alike, *lately]
        judged_by: JudgedBy = "equal" if same else "others" if measured else "paper"
        return Estimate(estimate(on_paper, measured), overhead, judged_by, same or len(lately))

    def _read(self) -> None:
        rows = self._store.queue.learned(limit=_LATELY)
        self._lately = self._measured(rows)
        beside = [
            max(0.0, (row.finished_at - row.started_at) / 1000 - row.seconds)
            for row in rows
            if row.attempt == 1 and row.inherits_from is None and row.seconds is not None
        ]
        # The first ones in a process load what later ones find there: they are no measure, and may be most of a few.
        self._overhead = sorted(beside)[len(beside) // 4] if beside else _USUAL_OVERHEAD
        self._read_at = time.monotonic()

    def _measured(self, rows: Sequence[Row]) -> list[Measured]:
        found, known = list[Measured](), dict[tuple[str, str], Meant]()
        for row in rows:
            spec = TrainingSpec.model_validate(row.spec)
            key = row.account, spec.dataset
            if key not in known:
                known[key] = Meant(spec.dataset, self._store.of(row.account).resolution.row_of(spec.dataset))
            data = amounts(spec, known[key])
            if data is not None and row.epoch_seconds:
                # Those that are trained together take their turns at each step: an epoch of each lasts as long as all.
                found.append(Measured(seconds(spec, data), row.epoch_seconds / (row.together or 1)))
        return found
