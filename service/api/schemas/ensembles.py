"""What an ensemble shall be made of."""

from pydantic import ConfigDict, Field, model_validator

from models.filing import PromotionTerms
from models.terms import Name
from service.api.schemas.jobs import Identifier
from service.predict.schemas import Reference

MOST_MEMBERS = 64
"""Networks of one ensemble: each takes its memory and its share of the time that an answer takes."""

MOST_PARAMETERS = 64 * 2**20
"""Numbers that the networks of one ensemble may have learned together: in memory they take 256 MB."""


class Combination(PromotionTerms):
    """What an ensemble is to be made of, and what becomes of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Name = Field(
        description="The model that it is to be a version of; may be a new one.",
        examples=["together"],
    )
    members: tuple[Reference, ...] | None = Field(
        default=None,
        min_length=2,
        max_length=MOST_MEMBERS,
        description="Versions, each as /predict takes them: `name/3`, `name@alias`, the id of a job.",
        examples=[["mnist/1", "mnist/2", "mnist/3"]],
    )
    sweep: Identifier | None = Field(
        default=None, description="Instead of members: the sweep whose trials are to answer together."
    )
    best: int | None = Field(
        default=None,
        strict=True,
        ge=2,
        le=MOST_MEMBERS,
        description="So many of them, by their validation accuracy. Default: all.",
        examples=[5],
    )

    @model_validator(mode="after")
    def _is_one(self) -> "Combination":
        if (self.members is None) == (self.sweep is None):
            raise ValueError("give exactly one of members and sweep")
        if self.best is not None and self.sweep is None:
            raise ValueError("best chooses among the trials of a sweep; give sweep, or leave it out")
        return self
