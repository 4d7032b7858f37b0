"""Shapes on the wire: what a job or a sweep would take, and when it would begin, before it is submitted."""

from datetime import datetime

from pydantic import BaseModel, Field

from models.spec import TrainingSpec
from service.api.pace import JudgedBy
from service.api.schemas.queue import Waiting


class Quota(BaseModel):
    """What an account may have of something, has, and would have more."""

    limit: int | None = Field(description="`null`: as much as it likes.", examples=[100])
    used: int = Field(examples=[12])
    more: int = Field(description="What this would add.", examples=[1])


class Seconds(BaseModel):
    """How long it would take, judged by jobs that have succeeded here."""

    epoch: float | None = Field(
        description="Seconds of an epoch of a job alone in its process; of a sweep the mean of its epochs.",
        examples=[0.41],
    )
    total: float | None = Field(
        description="Seconds of a process, all epochs together, and what comes before and after them; patience and "
        "halving may end it sooner. Jobs of equal shape that wait together are trained together: each then takes as "
        "long as all of them. `null` where nobody has counted the examples of the data set yet.",
        examples=[4.6],
    )
    judged_by: JudgedBy | None = Field(
        description="`equal`: by jobs whose epochs do the very same. `others`: by what other jobs took here; most are "
        "within a factor of 1.5. `paper`: none has succeeded here yet, and another machine was measured; yours "
        "may be several times as fast or slow."
    )
    jobs: int = Field(description="Jobs that it was judged by.", examples=[5])


class Plan(BaseModel):
    """What would become of what was sent; nothing is on record of it."""

    dry_run: bool = Field(default=True, description="That nothing was queued.")
    seconds: Seconds
    memory_bytes: int | None = Field(
        description="Memory that training takes beside the program and the data set, which all processes share; of a "
        "sweep that of its largest job.",
        examples=[28_000_000],
    )
    parameters: int | None = Field(
        description="Numbers that the network learns; of a sweep those of its largest.", examples=[84_060]
    )
    start: Waiting = Field(description="What it would wait for, and until when: a sweep's first job.")
    predicted_end: datetime | None = Field(description="When the last of its jobs would have ended.")
    quotas: dict[str, Quota] = Field(
        description="What it takes of the account's quotas: `queued` and `running` jobs.",
        examples=[{"queued": {"limit": 100, "used": 12, "more": 1}}],
    )


class JobPlan(Plan):
    """What a job would take, and when it would begin."""

    spec: TrainingSpec = Field(description="As it would be trained, with all that was left open.")
    reuses: str | None = Field(
        default=None, description="With `Prefer: reuse`: id of the job that would be answered with instead."
    )


class SweepPlan(Plan):
    """What a sweep would take, and when it would begin."""

    trials: int = Field(examples=[8])
    jobs: int = Field(examples=[24])
