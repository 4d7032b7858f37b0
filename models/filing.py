"""How a job is filed: what it and its network are called, what it learns from, and when a version is promoted."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from models.data.builtin import BUILTIN
from models.terms import DataName, LabelValue, Name

DEFAULT_MODEL = "default"
"""The model that is asked where nobody names one, if it is there."""

_AS_ITS_DATA: Any = object()
"""Stands for the name of a model that nobody gave: it can be told only when the data set is known."""


def called(dataset: str) -> str:
    """Give the name alone of a data set, which may be said with its account and its version."""
    return dataset.rpartition(":")[2].partition("/")[0]


class Filing(BaseModel):
    """What a job is called and found by, when its turn is, what it learns from, and whose model its network is."""

    name: Name | None = Field(
        default=None, description="A name for people; need not be unique.", examples=["report-trial-1"]
    )
    labels: dict[Name, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Up to 16 key-value pairs to find the job by (`GET /jobs?label=team:vision`).",
        examples=[{"team": "vision"}],
    )
    priority: int = Field(
        default=0,
        strict=True,
        ge=-100,
        le=100,
        description="Which of the jobs of an account comes first. Each point is worth an hour of waiting: a job of "
        "priority 1 goes before those of 0 that were submitted up to an hour earlier. It decides nothing that is "
        "learned, and nothing between accounts.",
        examples=[0],
    )
    dataset: DataName = Field(
        default="mnist",
        description=f"A data set: {', '.join(f'`{name}`' for name in BUILTIN)}, or an uploaded one. `letters/3` is its "
        "third version, `letters` the newest that is ready when the job is submitted; the job tells which one that is. "
        "`acme:letters` is what the account `acme` shares.",
        examples=["mnist"],
    )
    model: Name = Field(
        default_factory=lambda: _AS_ITS_DATA,
        validate_default=True,
        description="Name of the model that the network is to be a version of, once the job has succeeded. Default: "
        "that of its data set, without account and version.",
        examples=["mnist"],
    )

    webhook: Name | None = Field(
        default=None,
        description="A webhook (`PUT /webhooks/{name}`) that is told of this job, whatever else it asks for.",
        examples=["ci"],
    )

    @field_validator("model", mode="before")
    @classmethod
    def _called_as_its_data(cls, model: Any, known: ValidationInfo) -> Any:
        if model is not _AS_ITS_DATA:
            return model
        # A data set that is wrong is told; a name of its model that follows from it is no second fault.
        return called(str(known.data.get("dataset", DEFAULT_MODEL)))


class PromotionTerms(BaseModel):
    """When a new version becomes its model's champion, and by which examples that is decided."""

    promote: Literal["always", "if_better", "never"] = Field(
        default="if_better",
        description="Whether the version becomes the model's champion, which answers for it. `if_better`: only if it "
        "is better than guessing, and better than the champion by the job's `metric` on the same examples, which "
        "neither of the two has learned from. Without a champion, being better than guessing suffices.",
        examples=["if_better"],
    )
    promote_margin: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        le=1.0,
        description="By more than how much, in `metric`, `if_better` must be better than the champion.",
        examples=[0.0],
    )
    promote_min_value: Annotated[float, Field(strict=True, ge=0.0, le=100.0)] | None = Field(
        default=None,
        description="What `if_better` must reach by `metric` on these examples: at least this, of a `log_loss` at most "
        "this. `null`: anything that is better than guessing.",
        examples=[0.9],
    )
    promote_worst_class_drop: Annotated[float, Field(strict=True, ge=0.0, le=1.0)] | None = Field(
        default=None,
        description="By how much the recall of any one class may be below the champion's for `if_better`; `null`: by "
        "any amount, where it is better as a whole.",
        examples=[0.05],
    )
    evaluate_on: DataName | None = Field(
        default=None,
        description="The data set whose examples `if_better` is decided by, of the form of the one that is learned "
        "from: its test part where it has one of its own, else all of it, without what either of the two has learned "
        "from. Resolved as `dataset` is. `null`: the validation part of the job.",
        examples=["letters-held-out/1"],
    )
