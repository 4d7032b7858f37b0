"""What is recorded of a job while it runs, as it is shown: epochs, their figures, and events."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


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
    data: dict[str, Any]


class EventPage(BaseModel):
    """Some of what happened to a job, in order."""

    data: list[Event]
    has_more: bool
