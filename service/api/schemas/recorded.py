"""What is recorded of a job while it runs, as it is shown: epochs, their figures, and events."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from service.store.engine import Row, moment
from service.store.events import Told
from service.store.job_ids import own


class EpochView(BaseModel):
    """What one epoch brought."""

    epoch: int = Field(examples=[1])
    iterations: int = Field(description="Batches since the job began.", examples=[375])
    loss: float = Field(description="Mean of the batches' losses.", examples=[0.2736])
    train_accuracy: float = Field(examples=[0.9551])
    val_accuracy: float = Field(examples=[0.9486])
    seconds: float = Field(
        description="Seconds since the record before, or since the run began: an epoch may be evaluated while the next "
        "one is trained, so that it is the sum of them that the job took.",
        examples=[0.71],
    )
    complete: bool = Field(description="False for an epoch that was cancelled on its way.", examples=[True])
    val_metric: float | None = Field(
        default=None,
        description="What it reached by the `metric` of the spec; `null` of epochs of before there was a choice.",
        examples=[0.9486],
    )


class Metrics(BaseModel):
    """The history of a job, in the terms of the study it grew out of."""

    iters: list[int] = Field(description="Batches so far, one number for each loss.")
    losses: list[float] = Field(description="Loss of each batch.")
    moving_average: list[float | None] = Field(description="Mean of each loss and the nine before it.")
    train_acc: list[float] = Field(description="Accuracy on the training part after each epoch.")
    val_acc: list[float] = Field(description="Accuracy on the validation part after each epoch.")
    epochs: list[EpochView]
    total_points: int = Field(description="Batches on record.", examples=[3750])
    reduced: bool = Field(description="Whether `max_points` left batches out; each bucket keeps its extremes.")


class Event(BaseModel):
    """Something that happened to a job."""

    id: int = Field(description="Grows with time; to be sent back as `Last-Event-ID` or `after`.", examples=[42])
    type: str = Field(
        description="`state`, `epoch`, `cancel_requested`, `pause_requested` or `finish_requested`; and of what "
        "the network became `version.made`, `version.refused` (not promoted, and why) and `alias.moved`, each with its "
        "figures.",
        examples=["epoch"],
    )
    created_at: datetime
    actor: str | None = Field(
        default=None,
        description="The key by which it was done; `null` of what a worker did, and where keys are not asked for.",
        examples=["9f86d081884c"],
    )
    data: dict[str, Any]

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        """Show a row of the table `events`."""
        its = {"created_at": moment(row.created_at), "actor": row.actor, "data": row.data}
        return cls(id=row.number, type=row.type, **its, **more)


class AnyEvent(Event):
    """Something that happened, and to what; what it is not about is `null`."""

    job_id: str | None
    sweep_id: str | None = Field(description="Of the job, if it belongs to one.")
    dataset: str | None = Field(description="A version of a data set.", examples=["letters/3"])
    model: str | None = Field(description="The model that the job trains for, or that was changed.", examples=["mnist"])

    @classmethod
    def among_all(cls, told: Told) -> Self:
        """Show an event with what it is about."""
        event, about = told
        dataset = None if about.version is None else f"{about.dataset}/{about.version}"
        job_id = about.job_id and own(about.job_id)  # all streams of a process have what is read for everyone
        return cls.of(event, job_id=job_id, sweep_id=about.sweep_id, dataset=dataset, model=about.model)


class EventPage(BaseModel):
    """Some of what happened to a job, in order."""

    data: list[Event]
    has_more: bool


class AnyEventPage(BaseModel):
    """Some of what happened, in order: as many as are asked for, or fewer where few of many are."""

    data: list[AnyEvent]
    has_more: bool
    after: int = Field(description="The id up to which was looked: `after` of whoever asks for what follows.")
    next: str | None = Field(description="Where the page after this one is.", examples=["/events?limit=100&after=117"])
