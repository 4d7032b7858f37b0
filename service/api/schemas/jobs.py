"""Jobs, and what they leave, as they are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, StringConstraints, WithJsonSchema

from models.metric import Metric
from models.spec import TrainingSpec
from service.api.schemas.queue import Waiting
from service.api.schemas.verification import MadeWith, unverified_because, verified
from service.edge.links import links
from service.store.engine import moment
from service.store.states import How, State, StoppedEarly, spec_of
from service.store.states import Job as JobRow

Plot = Literal["loss", "accuracy", "confusion", "mistakes", "classes", "roc", "precision_recall", "calibration"]
PLOTS: tuple[Plot, ...] = get_args(Plot)
CheckpointName = Literal["last", "best"]

Identifier = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=64)]
"""What may be the id of a job. Others, with NUL among their characters, are no strings to PostgreSQL."""


ChosenId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=36)]
"""What a client may choose as the id of a job."""


class Progress(BaseModel):
    """How far a job has come."""

    epoch: int = Field(description="Epochs that have ended.", examples=[3])
    epochs: int = Field(description="Epochs that were asked for.", examples=[10])
    fraction: float = Field(
        description="Share of the epochs that have ended; 1 once the job has ended.", examples=[0.3]
    )
    eta_seconds: float | None = Field(description="Seconds left, judged by the last epoch.", examples=[4.9])


class Result(BaseModel):
    """What a job ended with."""

    loss: float = Field(description="Mean loss of the last epoch.", examples=[0.0777])
    train_accuracy: float = Field(description="Accuracy on the training part after the last epoch.", examples=[0.9799])
    val_accuracy: float = Field(description="Accuracy on the validation part after the last epoch.", examples=[0.9642])
    best_epoch: int = Field(description="First epoch that was best by `metric`.", examples=[8])
    best_val_accuracy: float = Field(description="Validation accuracy of that epoch.", examples=[0.9655])
    metric: Metric = Field(
        default="accuracy", description="By which measure of the validation part the best epoch was chosen."
    )
    best_metric: float | None = Field(
        default=None,
        description="What the best epoch reached by `metric`; unknown of jobs that ended before there was a choice, "
        "where it is the accuracy.",
        examples=[0.9655],
    )
    test_accuracy: float | None = Field(
        default=None,
        description="Accuracy of the best weights on the test part, measured once, at the end; `null` where the data "
        "set has none of its own.",
        examples=[0.9612],
    )
    best_weights_sha256: str = Field(description="SHA-256 of the file `best.safetensors`.")
    epochs: int = Field(description="Epochs that were done.", examples=[10])
    iterations: int = Field(description="Batches that were done.", examples=[3750])
    seconds: float = Field(
        description="Seconds of training and evaluation, all epochs together: the sum of theirs.", examples=[7.2]
    )
    made_with: MadeWith | None = Field(
        default=None, description="What it was trained with; unknown of jobs that ended before this was recorded."
    )
    stopped_early: StoppedEarly | None = Field(
        default=None,
        description="Why a job succeeded before its last epoch: `patience` was spent, it fell behind in the "
        "`halving` of its sweep, its `max_seconds` were over, or somebody asked for it to `finish`.",
    )


class JobError(BaseModel):
    """Why a job failed."""

    type: str = Field(examples=["DivergenceError"])
    message: str = Field(examples=["training diverged at epoch 1, batch 3: the loss is nan; lower learning_rate"])


class Cancellation(BaseModel):
    """The receipt of a job that was cancelled."""

    how: How = Field(
        description="`waiting`: no worker had it. `stopped`: its training process left it. `killed`: that did not "
        "react, and was killed. `worker_lost`: the worker died or fell silent meanwhile."
    )
    stopped_at_iteration: int = Field(description="Batches on record.", examples=[1410])
    latency_ms: int = Field(description="Milliseconds from the request until nothing was trained.", examples=[140])


class Origin(BaseModel):
    """The job from which this one was made."""

    kind: Literal["retry", "verify", "continue", "fine_tune"]
    job_id: str
    epoch: int | None = Field(default=None, description="The epoch of that job after which this one goes on.")
    weights_sha256: str | None = Field(default=None, description="The weights that are to be verified, or begun with.")


class Became(BaseModel):
    """The version of a model that a job's network became, and whether it was promoted to champion then."""

    model: str = Field(examples=["mnist"])
    version: int = Field(description="May have been deleted since.", examples=[3])
    promoted: bool
    not_promoted_because: str | None = Field(
        examples=[
            "its accuracy on 360 examples (validation of letters/2), 0.9500, does not exceed that of the champion"
        ]
    )


class Job(BaseModel):
    """A job: a spec, and what became of it."""

    id: str = Field(examples=["8a6e0804-2bd0-4672-b79d-d97027f9071a"])
    state: State
    cancel_requested: bool = Field(description="Whether a running job was asked to stop.")
    pause_requested: bool = Field(description="Whether a running job was asked to be left for now.")
    finish_requested: bool = Field(
        default=False, description="Whether it was asked to end before its last epoch, and to succeed."
    )
    spec: TrainingSpec
    name: str | None
    labels: dict[str, str]
    waits_at_rung: bool = Field(
        description="Whether a job that is queued or paused waits at a rung of its sweep's `synchronous` halving, and "
        "no worker takes it until the others have come there or ended."
    )
    sweep_id: str | None = Field(description="Id of the sweep that the job belongs to.")
    trial: int | None = Field(description="Number of the job's trial in its sweep, from 1.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int = Field(description="How often a worker has taken the job; 0 while none has.", examples=[1])
    progress: Progress
    result: Result | None
    weights_sha256: str | None = Field(description="SHA-256 of the final weights, the file `last.safetensors`.")
    version: Became | None = Field(
        default=None,
        description="Which version its network became; there once it is seen that the job has succeeded. `null` of one "
        "that has not, unless a version was made of a checkpoint of it.",
    )
    parameters: int | None = Field(
        description="Numbers that the network learns; `null` while no worker has prepared the data of an upload.",
        examples=[84_060],
    )
    waiting: Waiting | None = Field(
        default=None,
        description="Of a job that is queued: what it waits for, and as which it is to begin. Told by "
        "`GET /jobs/{job_id}`; `GET /queue` tells it of many.",
    )
    error: JobError | None
    cancellation: Cancellation | None
    origin: Origin | None = Field(description="The job that this one repeats, verifies or goes on from.")
    verified: bool | None = Field(
        description="Of a job that verifies another: whether it ended with equal weights; `null` until it has ended."
    )
    unverified_because: str | None = Field(
        description="Of a job that ended with other weights than the one that it verifies: what was not the same as "
        "when that was trained, say the data set or the version of torch."
    )
    bit_identical: bool = Field(
        description="False once the job went on under other circumstances (version of torch, threads, processor): then "
        "its weights need not be those of a run that nobody disturbed."
    )
    links: dict[str, str]

    @classmethod
    def of(cls, row: JobRow) -> "Job":
        """Show a row of the table `jobs`."""
        spec = TrainingSpec.model_validate(spec_of(row))
        return cls(
            id=row.id,
            state=row.state,
            cancel_requested=row.cancel_requested,
            pause_requested=row.pause_requested,
            finish_requested=row.finish_requested,
            waits_at_rung=row.waits_at_rung,
            cancellation=row.cancellation,
            origin=row.origin,
            verified=verified(row),
            unverified_because=unverified_because(row),
            bit_identical=row.bit_identical,
            spec=spec,
            name=row.name,
            labels=row.labels,
            sweep_id=row.sweep_id,
            trial=row.trial,
            created_at=moment(row.created_at),
            started_at=row.started_at and moment(row.started_at),
            finished_at=row.finished_at and moment(row.finished_at),
            attempt=row.attempt,
            progress=_progress(row, spec),
            result=row.result,
            weights_sha256=row.weights_sha256,
            version=row.version,
            parameters=row.parameters or spec.parameters,
            error=row.error,
            links=_links(row),
        )


def _progress(row: JobRow, spec: TrainingSpec) -> Progress:
    ended = row.finished_at is not None
    known = row.state == "running" and row.epoch_seconds is not None
    return Progress(
        epoch=row.last_epoch,
        epochs=spec.epochs,
        fraction=1.0 if ended else row.last_epoch / spec.epochs,
        eta_seconds=0.0 if ended else round((spec.epochs - row.last_epoch) * row.epoch_seconds, 3) if known else None,
    )


def _links(row: JobRow) -> dict[str, str]:
    job = f"/jobs/{row.id}"
    paths = {
        "self": job,
        **{action: f"{job}/{action}" for action in _ACTIONS},
        "metrics": f"{job}/metrics",
        "events": f"{job}/events",
        "checkpoints": f"{job}/checkpoints",
        "examples": f"{job}/examples",
        "evaluation": f"{job}/evaluation",
        **{f"{plot}_plot": f"{job}/plots/{plot}.png" for plot in PLOTS},
    }
    if row.version is not None:
        model, number = row.version["model"], row.version["version"]
        paths |= {"model": f"/models/{model}", "version": f"/models/{model}/versions/{number}"}
    return links(paths | ({"sweep": f"/sweeps/{row.sweep_id}"} if row.sweep_id else {}))


_ACTIONS = ("cancel", "pause", "resume", "finish", "retry", "continue", "verify")


class JobPage(BaseModel):
    """Some jobs, the newest first."""

    data: list[Job]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.", examples=["/jobs?limit=20&after=117"])


class Checkpoint(BaseModel):
    """The weights after an epoch."""

    name: CheckpointName
    epoch: int = Field(examples=[10])
    sha256: str
    size: int = Field(description="Bytes.", examples=[336_664])
    created_at: datetime
    url: str = Field(examples=["/jobs/8a6e0804-2bd0-4672-b79d-d97027f9071a/checkpoints/last.safetensors"])
    about: dict[str, Any] = Field(description="Spec, digest of the data, normalisation, metrics, fingerprint.")


class CheckpointList(BaseModel):
    """The checkpoints of a job."""

    data: list[Checkpoint]


_NUMBERS = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}}

Picture = Annotated[list[Any], WithJsonSchema({"type": "array", "items": _NUMBERS})]
"""Rows of pixels, which are numbers, or of colours three numbers each; not looked at one by one, as they are ours."""


class Examples(BaseModel):
    """Examples of the validation part, which the network never saw in training, in the form that /predict takes."""

    images: list[Picture] = Field(
        description="Pictures row by row: numbers on the scale of the data set, of colours a list of three for each "
        "pixel. Of MNIST's form 28 rows of 28 pixels each, 0-255, ink light on dark. Empty of a table."
    )
    rows: list[dict[str, float | str | None]] | None = Field(
        default=None, description="Of a table: numbers and levels by the names of their columns, `null` if missing."
    )
    labels: list[int] = Field(description="What the examples are, by the places of their classes, from 0.")
    names: list[str] = Field(description="What the examples are, by the names of their classes.")
    kept: int = Field(
        description="How many are kept, at most 100: fewer of large pictures and wide rows.", examples=[100]
    )
