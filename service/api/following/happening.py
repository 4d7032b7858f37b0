"""An event, as those get it who follow: what it is about, whether nothing comes after it, and its bytes, made once."""

from functools import cached_property

from fastapi.sse import format_sse_event

from service.api.schemas.recorded import AnyEvent, Event
from service.store.engine import Row
from service.store.events import DELETIONS, Told
from service.store.job_ids import whole
from service.store.states import FINAL_STATES

Subject = tuple[str | int, ...]
"""What is followed."""

_LAST = {*DELETIONS, "data.ready", "data.failed", "data.cancelled"}


def of_account(account: str) -> Subject:
    """Name all that happens to what belongs to an account."""
    return "account", account


def of_job(account: str, job_id: str) -> Subject:
    """Name a job."""
    return "job", whole(account, job_id)


def of_sweep(sweep_id: str) -> Subject:
    """Name a sweep: what happens to it happens to its jobs."""
    return "sweep", sweep_id


def of_data(account: str, dataset: str, version: int) -> Subject:
    """Name a version of a data set."""
    return "data", account, dataset, version


class Happening:
    """An event that was just read."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.number = told.number
        self.about = told.about
        self.kind: str = told.event.type

    @property
    def subjects(self) -> list[Subject]:
        """Give those who follow it."""
        job_id, sweep_id, dataset, version, *_ = self.about
        account = self._told.event.account
        found = [of_account(account)]
        if job_id is not None:
            found.append(of_job(account, job_id))
        if sweep_id is not None:
            found.append(of_sweep(sweep_id))
        if dataset is not None and version is not None:
            found.append(of_data(account, dataset, version))
        return found

    @property
    def is_last(self) -> bool:
        """Whether nothing more happens to the job, or to the version of a data set, that it is about."""
        return self.kind in _LAST or (self.kind == "state" and self._told.event.data["state"] in FINAL_STATES)

    @property
    def is_deletion(self) -> bool:
        """Whether what it is about is gone, and what is on record of that with it."""
        return self.kind in DELETIONS

    @cached_property
    def shown(self) -> AnyEvent:
        """Give it as it is shown among all."""
        return AnyEvent.among_all(self._told)

    @cached_property
    def alone(self) -> bytes:
        """Give its bytes in a stream of one job, or of one version of a data set."""
        return written(self._told.event)

    @cached_property
    def among_all(self) -> bytes:
        """Give its bytes in a stream of everything."""
        return _bytes(self.shown)


def written(row: Row) -> bytes:
    """Write a row of the table `events` for a stream of one job, or of one version of a data set."""
    return _bytes(Event.of(row))


def _bytes(event: Event) -> bytes:
    return format_sse_event(id=str(event.id), event=event.type, data_str=event.model_dump_json(exclude={"id", "type"}))
