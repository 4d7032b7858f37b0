"""What is done to many jobs at once: to which, and what came of it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.terms import Name
from service.api.schemas.jobs import Identifier
from service.store.states import State


class JobFilter(BaseModel):
    """Which jobs are meant: those that match all that is said, as in `GET /jobs`."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = Field(default=None, description="Only jobs in this state.")
    name: Name | None = Field(default=None, description="Only jobs of this name.")
    sweep: Identifier | None = Field(default=None, description="Only jobs of the sweep with this id.")
    label: Annotated[list[str], Field(max_length=16)] = Field(
        default=[], description="Only jobs with all of these labels, each `key:value`.", examples=[["team:vision"]]
    )

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not (self.state or self.name or self.sweep or self.label):
            raise ValueError("an empty filter would mean every job; say a state, a name, a sweep or a label")
        return self


class Bulk(BaseModel):
    """Which jobs something is to be done to."""

    model_config = ConfigDict(extra="forbid")

    filter: JobFilter
    dry_run: bool = Field(
        default=False, strict=True, description="Tell only to which jobs it would be done.", examples=[True]
    )


class BulkOutcome(BaseModel):
    """What was done to many jobs, or with `dry_run` would be done."""

    dry_run: bool
    done: int = Field(description="Jobs to which it was done, or would be.", examples=[117])
    ids: list[str] = Field(description="Their ids, by state and of each the newest first; of more than 1,000 these.")
    skipped: dict[str, int] = Field(
        description="How many match and were left as they are, by the reason.", examples=[{"they run": 3}]
    )
    has_more: bool = Field(description="Whether it took too long for one request: send it again for the rest.")
