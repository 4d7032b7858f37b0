"""The shape of a sweep on the wire: what varies, over which values, and how often each trial is repeated."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from models.terms import LabelValue, Name
from service.sweeps.presets import BEST, FIELDS, REPORT

KINDS = ("grid", "random", "tpe", "trials", "preset")

# Leaves room for the number of a trial.
SweepName = Annotated[Name, StringConstraints(max_length=120)]


def _rising(bounds: list[Any]) -> list[Any]:
    if bounds[0] >= bounds[1]:
        raise ValueError("the first number must be below the second")
    return bounds


def _positive(bounds: list[Any]) -> list[Any]:
    if bounds[0] <= 0:
        raise ValueError("both numbers must be above 0; use uniform where 0 shall be possible")
    return bounds


Fractions = Annotated[
    list[Annotated[float, Field(strict=True)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]
Wholes = Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=2, max_length=2), AfterValidator(_rising)]
Values = Annotated[list[Any], Field(min_length=1)]
Ranges = dict[str, "Range"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Part):
    """Where the values of one field are drawn from: exactly one of these."""

    choice: Values | None = Field(default=None, description="Any of these values.", examples=[["adam", "sgd"]])
    uniform: Fractions | None = Field(default=None, description="Evenly between two numbers.", examples=[[0.0, 0.5]])
    log_uniform: Annotated[Fractions, AfterValidator(_positive)] | None = Field(
        default=None,
        description="Evenly between the logarithms of two numbers: as often from 0.001 to 0.01 as from 0.01 to 0.1.",
        examples=[[0.0001, 0.1]],
    )
    integer: Wholes | None = Field(
        default=None, description="A whole number from the first to the second, both included.", examples=[[1, 20]]
    )

    @property
    def given(self) -> tuple[str, list[Any]]:
        """Give the kind of the range, and its values or bounds."""
        (kind,) = [name for name in type(self).model_fields if getattr(self, name) is not None]
        return kind, getattr(self, kind)

    @model_validator(mode="after")
    def _is_one(self) -> "Range":
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("give exactly one of choice, uniform, log_uniform and integer")
        return self


class RandomSearch(_Part):
    """Trials whose values are drawn at random."""

    trials: int = Field(strict=True, ge=1, le=10_000, description="How many to draw.", examples=[50])
    seed: int = Field(
        default=0, strict=True, ge=0, le=2**32 - 1, description="Seed of what is drawn: the same gives the same trials."
    )
    ranges: Ranges = Field(
        min_length=1,
        max_length=32,
        description="Field of a job -> where its values are drawn from.",
        examples=[{"learning_rate": {"log_uniform": [0.0001, 0.1]}, "hidden_sizes": {"choice": [[100, 50], [200]]}}],
    )


class TpeSearch(RandomSearch):
    """Trials that learn from those before them, by a tree-structured Parzen estimator.

    Bergstra et al. 2011, https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization. The first ten
    are drawn at random. Trials under way count as bad ones, so that others are tried. What is suggested depends on what
    has ended by then; with `parallel: 1` the same sweep tries the same again. Needs Optuna:
    `pip install 'tenfold[optuna]'`.
    """

    parallel: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(
        default=None,
        description="Trials under way at a time. The fewer, the more each has learned; default: two for each training "
        "process that is there, and at least four.",
        examples=[4],
    )


class Halving(_Part):
    """Successive halving: asynchronous by default, in its stopping variant.

    Li et al. 2020, https://arxiv.org/abs/1810.05934.

    After `min_epochs`, and after that times `reduction`, times `reduction` again and so on, a job goes on only if
    its `metric` on the validation part is among the best 1/`reduction` of those that jobs of the sweep have reached
    there so far. Jobs that are trained together, and come there together, are compared with each other, whatever
    their order; while fewer than `reduction` have come, all go on. Equals go on together. A job that is stopped has
    succeeded, with `stopped_early` in its result. Which jobs are trained together, and which come first, depends on
    the workers: which are stopped may differ from one time to the next, unless the halving is `synchronous`.
    """

    reduction: int = Field(default=3, strict=True, ge=2, le=100, description="One of so many goes on.")
    min_epochs: int = Field(default=1, strict=True, ge=1, le=1000, description="Epochs that every job may do.")
    synchronous: bool = Field(
        default=False,
        strict=True,
        description="Let jobs wait at each rung until all others of the sweep have come there or ended: the same sweep "
        "then stops the same jobs every time, however many workers there are. A job that waits holds no worker, and "
        "goes on with the bits of one that never waited; one that is paused on its way holds up the others. Not with "
        "`tpe`, whose trials come one after the other.",
    )

    def is_rung(self, epoch: int) -> bool:
        """Whether jobs are compared after this epoch."""
        rung = self.min_epochs
        while rung < epoch:
            rung *= self.reduction
        return rung == epoch


class SweepSpec(_Part):
    """Many trials around one base. Exactly one of `grid`, `random`, `tpe`, `trials` and `preset` says what varies.

    A trial is one choice of values; it is trained once for each of `seeds` seeds, a job each. A sweep has at most
    10,000 jobs. They are called `<name>-<number of the trial>`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "rates",
                    "base": {"dataset": "mnist", "hidden_sizes": [100, 50], "epochs": 3},
                    "grid": {"learning_rate": [0.0003, 0.001, 0.003, 0.01], "batch_size": [64, 256]},
                    "seeds": 3,
                },
                {"preset": "report", "base": {"batch_size": 128}, "seeds": 3},
                {
                    "base": {"architecture": "nmlp", "epochs": 9},
                    "random": {
                        "trials": 60,
                        "ranges": {"learning_rate": {"log_uniform": [0.0001, 0.1]}, "dropout": {"uniform": [0.0, 0.6]}},
                    },
                    "halving": {"reduction": 3},
                },
            ]
        }
    )

    name: SweepName | None = Field(
        default=None, description="A name for people; need not be unique.", examples=["rates"]
    )
    labels: dict[Name, LabelValue] = Field(
        default_factory=dict, max_length=16, description="Labels of the sweep and of each of its jobs."
    )
    base: dict[str, Any] = Field(
        default_factory=dict,
        description="Fields of a job, as in `POST /jobs`, that all trials have in common; what is not given has its "
        "usual default. `trials` may differ from it; over `preset` it has the last word.",
        examples=[{"dataset": "mnist", "epochs": 3}],
    )
    seeds: int = Field(
        default=1,
        strict=True,
        ge=1,
        le=10_000,
        description="Train each trial with so many seeds: its own `seed`, that plus 1, and so on.",
        examples=[3],
    )
    share_order: bool = Field(
        default=False,
        strict=True,
        description="Let all jobs visit the examples in one order, by the `order_seed` of `base`, or else its `seed`: "
        "networks that are trained together, and whose images are not moved, then visit the same batches. Seeds still "
        "vary weights, dropout and augmentation, but what they spread over holds no chance of the order any more.",
        examples=[True],
    )
    grid: Annotated[dict[str, Values], Field(min_length=1, max_length=32)] | None = Field(
        default=None,
        description="Field of a job -> its values; every combination is a trial. The last field changes fastest.",
        examples=[{"learning_rate": [0.001, 0.01], "hidden_sizes": [[100, 50], [30, 5]]}],
    )
    random: RandomSearch | None = Field(default=None, description="Values that are drawn at random.")
    tpe: TpeSearch | None = Field(default=None, description="Values that are chosen by what earlier trials brought.")
    trials: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = Field(
        default=None,
        description="The trials one by one: for each the fields in which it differs from `base`, and maybe a `name`.",
        examples=[[{"name": "wide", "hidden_sizes": [400]}, {"name": "deep", "hidden_sizes": [50, 50, 50, 50]}]],
    )
    preset: Literal["report", "best"] | None = Field(
        default=None,
        description="`report`: the ten trials of the study that Tenfold grew out of. `best`: one trial, with the "
        "hyper-parameters that read MNIST best of those that were tried.",
    )
    halving: Halving | None = Field(default=None, description="Stop jobs early that fall behind the others.")

    @property
    def kind(self) -> str:
        """Tell which of the fields says what varies."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def ranges(self) -> dict[str, Range] | None:
        """Tell where values are drawn from, if they are drawn."""
        search = self.random or self.tpe
        return search.ranges if search else None

    @property
    def trial_count(self) -> int:
        """Count the trials that are asked for."""
        if self.grid is not None:
            return math.prod(len(values) for values in self.grid.values())
        search = self.random or self.tpe
        return search.trials if search else len(self.trials if self.trials is not None else self.preset_trials)

    @property
    def preset_trials(self) -> list[Mapping[str, Any]]:
        """Give the fields of each trial of the preset."""
        return [BEST] if self.preset == "best" else [reported.fields for reported in REPORT]

    @property
    def varied(self) -> list[str]:
        """List the fields in which trials may differ, in the order in which they are first named."""
        if self.preset is not None:
            return [name for name in FIELDS if name not in self.base] if self.preset == "report" else []
        named = [self.grid or self.ranges or {}] if self.trials is None else self.trials
        return [name for name in dict.fromkeys(key for fields in named for key in fields) if name != "name"]

    @model_validator(mode="after")
    def _varies_one_way(self) -> "SweepSpec":
        if sum(getattr(self, name) is not None for name in KINDS) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}")
        if "metric" in self.varied:
            raise ValueError("trials are ranked by their metric, so that all have the same: put it into base")
        return self

    @field_validator("halving")
    @classmethod
    def _waits_for_none_to_come(cls, halving: Halving | None, known: ValidationInfo) -> Halving | None:
        if halving is not None and halving.synchronous and known.data.get("tpe") is not None:
            raise ValueError(
                "with synchronous, jobs wait for all others, and with tpe some of these are chosen only when they have "
                "ended; leave synchronous out, or use random instead of tpe"
            )
        return halving
