"""Shapes on the wire: the queue, a place in it, and the workers."""

from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, Field

from service.api.outlook import Outlook, WaitsFor
from service.edge.links import links
from service.store.engine import Row, moment
from service.store.job_ids import own
from service.store.queue.simulation import Begins
from service.store.workers import Role


class Waiting(BaseModel):
    """What a job waits for, and until when."""

    waits_for: WaitsFor = Field(
        description="`turn`: until it is its turn and a process is free. `worker`: for a worker, of which none was "
        "seen lately. `limit`: its account has as many jobs running as it may. `rung`: for the others of its sweep, "
        "whose halving is `synchronous`. `disk`: for room on the disk; none is begun before."
    )
    place: int | None = Field(
        description="As which of all that wait it is to begin, from 1; `null` where nobody can say: behind 5,000 "
        "others of its account, and while it waits for something else than its turn.",
        examples=[3],
    )
    predicted_start: datetime | None = Field(
        description="When it is to begin, if nobody comes or leaves, and all take as long as others did here."
    )

    @classmethod
    def of(cls, waits_for: WaitsFor, begins: Begins | None, at: int) -> Self:
        """Show a place in the queue as it was at a moment, in milliseconds since 1970."""
        if waits_for != "turn" or begins is None:
            return cls(waits_for=waits_for, place=None, predicted_start=None)
        return cls(
            waits_for=waits_for, place=begins.place, predicted_start=moment(at) + timedelta(seconds=begins.seconds)
        )


class QueuedJob(BaseModel):
    """A job that waits for its turn."""

    id: str
    name: str | None
    priority: int
    created_at: datetime
    place: int | None = Field(examples=[3])
    predicted_start: datetime | None
    links: dict[str, str]


class OfAccount(BaseModel):
    """What an account has in the queue."""

    account: str = Field(examples=["vision"])
    weight: float = Field(
        description="Its share where all have jobs that wait: twice as many seconds of processes for a weight of 2 as "
        "for one of 1.",
        examples=[1.0],
    )
    waiting: int = Field(description="Jobs that wait for a worker.", examples=[12])
    running: int = Field(description="Jobs that run.", examples=[4])
    processes: int = Field(description="Processes that train them; some may train those of others as well.")


class OfOthers(BaseModel):
    """What all other accounts together have in the queue."""

    accounts: int = Field(description="Accounts that have jobs which wait or run.")
    waiting: int
    running: int


class QueueView(BaseModel):
    """The queue, and those of the asking account's jobs that wait, in the order in which they are to begin."""

    at: datetime = Field(description="When it was so: it is read again about once a second, of long queues less often.")
    processes: int = Field(description="Training processes of workers that were seen lately.", examples=[2])
    busy: int = Field(description="Processes that train.", examples=[2])
    yours: OfAccount
    others: OfOthers
    data: list[QueuedJob]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.", examples=["/queue?limit=20&after=20"])


class WorkerView(BaseModel):
    """A worker: a program that has processes which train, read files, or run errands."""

    id: str = Field(examples=["gpu-1:4711:1f0c9a3e"])
    role: Role
    processes: int = Field(description="Training processes; 0 of one with another role, and of one that leaves.")
    busy: int = Field(description="Training processes that hold jobs.")
    running: int = Field(description="Jobs that it trains.")
    jobs: list[str] = Field(description="Ids of those of them that are of the asking account.")
    leaving: bool = Field(description="Whether it was told to stop: it gives its jobs back, and takes no others.")
    state: Literal["alive", "silent"] = Field(description="`silent`: it has not been seen for three heartbeats.")
    started_at: datetime
    seen_at: datetime

    @classmethod
    def of(cls, row: Row, outlook: Outlook, account: str, *, silent_after_ms: float) -> Self:
        """Show a row of the table `workers`, with what the queue says of it."""
        held = [job for job in outlook.snapshot.running if (job.owner or "").rpartition("/")[0] == row.id]
        return cls(
            id=row.id,
            role=row.role,
            processes=row.slots,
            busy=len({job.owner for job in held}),
            running=len(held),
            jobs=[own(job.id) for job in held if job.account == account],
            leaving=row.draining,
            state="alive" if outlook.snapshot.at - row.seen_at <= silent_after_ms else "silent",
            started_at=moment(row.started_at),
            seen_at=moment(row.seen_at),
        )


class WorkerList(BaseModel):
    """The workers that were seen within a day, those seen last first."""

    data: list[WorkerView]


def queued_job(row: Row, begins: Begins | None, at: int) -> QueuedJob:
    """Show a job that waits."""
    its = Waiting.of("turn", begins, at)
    return QueuedJob(
        id=row.id,
        name=row.name,
        priority=row.spec.get("priority", 0),
        created_at=moment(row.created_at),
        place=its.place,
        predicted_start=its.predicted_start,
        links=links({"self": f"/jobs/{row.id}", "cancel": f"/jobs/{row.id}/cancel"}),
    )
