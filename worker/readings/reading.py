"""One reading: claim -> read in a process of its own -> publish, or say what is wrong with the file."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.data.stored import BEFORE, MARKS, is_array
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.disk.floor import Floor
from service.processes import scratch
from service.processes.reader_process import CHILD, ReadingProcess
from service.settings import Settings
from service.store import owners
from service.store.data_states import CANCELLED
from service.store.datasets import SENT
from service.store.engine import DatabaseError, cause
from service.store.errors import LeaseLost
from service.store.files import File
from service.store.readings import ReadingClaim, Wanted
from service.store.store import Store
from worker.readings.reading_lease import ReadingLease
from worker.readings.reserve import Reserve
from worker.readings.sample import draw

_logger = logging.getLogger(__name__)

_COLUMNS = ("kind", "schema", "reading", "description", "examples", "sha256", "added")
_WROTE_NOTHING = "a worker could not write"


def read(
    wanted: Wanted | None,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    *,
    owner: str,
    command: Sequence[str] = CHILD,
    reserve: Reserve | None = None,
) -> bool:
    """Claim a version that waits, the one that is wanted or the one that has waited longest, and read it to its end.

    Gives whether there was one. `owner` is the name of the worker, a slash, and the number of its process. `reserve`
    gives the process that reads, where one may stand by; else one is started by `command`.
    """
    floor = Floor.of(settings, store.database.file)
    if (why := floor.shortage() or floor.unwritable()) is not None:
        _logger.warning("nothing is read: %s", why)
        return False
    try:
        claim = store.readings.claim(wanted, owner)
    except DatabaseError as error:
        # What was claimed all the same comes back when its lease expires; else it is rung for again.
        _logger.warning("no reading could be claimed: %s", cause(error))
        return False
    if claim is None:
        return False
    _logger.info("%s/%d: attempt %d to read it begins", claim.dataset, claim.version, claim.attempt)
    try:
        with ReadingLease(store.readings, claim, settings) as lease:
            process = reserve.process if reserve is not None else partial(ReadingProcess, command=command)
            its = (store.of(claim.account), artifacts.of(claim.account))
            _Reading(claim, lease, *its, settings, process, floor).go()
    except LeaseLost:
        _logger.warning("%s/%d: attempt %d was replaced, or it is gone", claim.dataset, claim.version, claim.attempt)
    except DatabaseError as error:
        # No fault of the file's. Nothing more is written; once the lease has expired, another attempt goes on.
        _logger.warning("%s/%d lost the database: %s", claim.dataset, claim.version, cause(error))
    return True


@dataclass(eq=False)
class _Reading:
    claim: ReadingClaim
    lease: ReadingLease
    store: Store
    artifacts: Artifacts
    settings: Settings
    process: Callable[[Mapping[str, Any]], AbstractContextManager[ReadingProcess]]
    floor: Floor

    def go(self) -> None:
        """Read, and put on record what came of it. Raises LeaseLost."""
        self._tidy_up()
        try:
            with scratch.folder(self.settings) as folder:
                request = self._request(folder)
                if request is None:
                    self.store.readings.fail(self.claim, [_GONE])
                    return
                outcome = self._read(request)
                if outcome is not None and "found" in outcome:
                    self._publish(folder, request, outcome["found"])
                elif outcome is not None and outcome["again"]:
                    self._give_back(outcome["faults"][0])
                elif outcome is not None:
                    self.store.readings.fail(self.claim, outcome["faults"])
        except OSError as error:
            detail, remedy = f"{_WROTE_NOTHING} ({told(error)})", "look after its disk, then send the file again"
            fault = {"where": "file", "detail": detail, "remedy": remedy}
            if may_pass(error):
                self._give_back(fault)
            else:
                _logger.warning("%s/%d cannot be read", self.claim.dataset, self.claim.version, exc_info=True)
                self.store.readings.fail(self.claim, [fault])

    def _read(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give what the process that reads tells in the end; None where the reading was stopped, or is another's."""
        outcome: dict[str, Any] | None = None
        with self.process(request) as process:
            while (heard := process.listen(self.settings.poll_seconds)) is not None:
                for line in heard:
                    if "progress" in line:
                        self.lease.progress = {**self.lease.progress, **line["progress"]}
                    else:
                        outcome = line
                if self.lease.is_lost:
                    raise LeaseLost(f"{self.claim.dataset}/{self.claim.version}")
                if self.lease.stop_request is not None:
                    break
                if (why := self.floor.shortage()) is not None:
                    self._give_back({"where": "file", "detail": why, "remedy": "make room, then send the file again"})
                    return None
            if outcome is None and self.lease.stop_request is None:
                self._give_back(_died(process.ending()))
                return None
        match self.lease.stop_request:
            case "cancel":
                self.store.readings.fail(self.claim, [CANCELLED])  # which it is then said to be
                return None
            case "drain" if outcome is None:
                self._give_back(None)
                return None
        return outcome

    def _request(self, folder: Path) -> dict[str, Any] | None:
        """Say what is to be read; None where it is not there any more."""
        bounds = {"folder": str(folder), "memory": self.settings.reading_memory_bytes}
        if self.claim.source == "builtin":
            return {**bounds, "builtin": self.claim.dataset, "data": str(self.settings.data)}
        files = {file.name: file for file in self.store.files.of(self._owner)}
        if SENT in files:
            path = self.artifacts.path(files[SENT].key)
            about = {"options": dict(self.claim.options), "name": self.claim.file_name, "base": self._base()}
            return {**bounds, **about, "file": str(path)} if path.exists() else None
        if BEFORE in files:
            return {**bounds, "table": str(self.artifacts.path(files[BEFORE].key))}
        return None

    def _base(self) -> dict[str, Any] | None:
        """Tell what the version is to which this one is appended, and where its files lie; None if it is to none."""
        if self.claim.appended_to is None:
            return None
        row = self.store.datasets.version(self.claim.dataset, self.claim.appended_to)
        if row is None:  # not as long as this one is read
            raise LeaseLost(f"{self.claim.dataset}/{self.claim.version}")
        files = self.store.files.of(owners.of_data(row.dataset, row.version))
        return {
            "name": f"{row.dataset}/{row.version}",
            "files": {
                file.name: str(self.artifacts.path(file.key))
                for file in files
                if is_array(file.name) or file.name == MARKS
            },
            "schema": row.schema,
            "reading": row.reading,
            "levels": (row.description or {}).get("levels"),
        }

    def _publish(self, folder: Path, request: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Keep the arrays that were read, and point to them, all at once. Raises LeaseLost, and OSError."""
        written: list[File] = []
        try:
            for name in found["files"]:
                with (folder / name).open("rb") as array:
                    fill = _copying(array)
                    written.append(self.artifacts.write_with(self._owner, name, fill))
            if (picture := draw(folder, request, found, f"{self.claim.dataset}/{self.claim.version}")) is not None:
                written.append(self.artifacts.write(self._owner, "samples.png", picture))
            columns = {name: found[name] for name in _COLUMNS}
            gone = self.store.readings.finish(self.claim, columns, written, found["shared"])
        except (LeaseLost, OSError):
            self.artifacts.remove([file.key for file in written])
            raise
        self.artifacts.remove(gone)
        _logger.info("%s/%d is read: %d examples", self.claim.dataset, self.claim.version, found["examples"])

    def _give_back(self, fault: Mapping[str, str] | None) -> None:
        waits = self.store.readings.give_back(self.claim, fault)
        why = "the worker leaves" if fault is None else fault["detail"]
        _logger.warning("%s/%d %s: %s", self.claim.dataset, self.claim.version, "waits" if waits else "failed", why)

    def _tidy_up(self) -> None:
        """Remove what attempts before this one wrote and did not live to record."""
        names = [Path(name).stem for name in ("values.npy", "labels.npy", "parts.npy", "marks.npy", "samples.png")]
        self.artifacts.remove(self.store.files.unreferenced(self.artifacts.keys(self._owner, names)))

    @property
    def _owner(self) -> str:
        return owners.of_data(self.claim.dataset, self.claim.version)


_GONE = {"where": "file", "detail": "the file is not there any more", "remedy": "send it again"}


def _died(ending: str) -> dict[str, str]:
    return {
        "where": "file",
        "detail": f"the process that reads it {ending}",
        "remedy": "send fewer or smaller examples, or give the machine of the workers more memory",
    }


def _copying(source: Any) -> Any:
    def fill(target: Any) -> None:
        source.seek(0)
        shutil.copyfileobj(source, target, 2**20)

    return fill
