"""Evaluations: what is asked for, how it stands, and what came of it."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from models.data.portion import Part
from models.evaluated.measured import Measured
from models.metric import Metric
from models.terms import DataName
from service.api.schemas.evaluation import Scores, scores_of
from service.edge.links import links
from service.predict.schemas import Reference
from service.store.engine import Row, moment
from service.store.evaluations import EvaluationState


class EvaluationRequest(BaseModel):
    """Which model is to be measured, on which data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Reference = Field(
        description="As /predict takes it: `name`, `name@alias`, `name/3`, or the id of a job.", examples=["digits/2"]
    )
    against: Reference | None = Field(
        default=None,
        description="A second model, measured on the same examples and compared with.",
        examples=["digits"],
    )
    dataset: DataName = Field(description="A data set, or one of its versions, `letters/3`.", examples=["digits"])
    part: Part = Field(
        default="all",
        description="Which part of it: by its own split, or, where the model learned from this version, as its job "
        "divided it. Of what is built in, `all` is without its test part, which lies in files of its own.",
    )
    include_learned: bool = Field(
        default=False,
        strict=True,
        description="Whether examples count that one of the models has learned from; else they are left out.",
    )
    metric: Metric | None = Field(
        default=None, description="By which the two are compared beside accuracy. Default: that of the model's job."
    )


class Measurable(BaseModel):
    """A model that is measured: what was asked for, and what that was then."""

    reference: str = Field(description="As it was sent.", examples=["digits@champion"])
    model: str | None = Field(description="`null` of a job's checkpoint that is no version.", examples=["digits"])
    version: int | None = Field(examples=[2])
    job_id: str | None = Field(description="The job that trained it; none of an ensemble.")


class Bin(BaseModel):
    """Examples of which the network was about equally sure."""

    lower: float = Field(description="They were held for what they were read as with a probability above this.")
    upper: float
    count: int
    confidence: float = Field(description="The mean of that probability.")
    accuracy: float = Field(description="Share of them that was read rightly.")


class CalibrationView(BaseModel):
    """How well the probabilities fit, as they are served: at the temperature of the version."""

    brier_score: float = Field(description="Mean squared distance between probabilities and truth, 0 to 2.")
    expected_calibration_error: float = Field(description="Mean distance between confidence and accuracy.")
    bins: list[Bin] = Field(description="By confidence; those that have examples, of 15 of equal width.")


class ColumnNote(BaseModel):
    """What was done to a column of a table."""

    column: str = Field(examples=["alcohol"])
    kind: Literal["missing", "unknown_level", "ignored"]
    examples: int = Field(description="Rows in which that was so.")


class MeasuredView(Scores):
    """What was measured of a model; its probabilities are those at its temperature, as it is served."""

    log_loss: float | None = Field(
        description="Mean of minus the log probability of the true class, in nats, at `temperature`; `null` where an "
        "example is of a class that the network cannot say."
    )
    temperature: float = Field(examples=[1.21])
    weights_sha256: str = Field(description="Of the weights that were measured.")
    calibration: CalibrationView
    guessing: dict[str, float] = Field(
        description="By each metric what naming the most frequent class comes to on the same examples.",
        examples=[{"accuracy": 0.11, "balanced_accuracy": 0.1, "macro_f1": 0.02, "log_loss": 2.3}],
    )
    unknown_classes: list[str] = Field(description="Classes of the data that it cannot say: their examples are wrong.")
    absent_classes: list[str] = Field(description="Classes that it can say, and that the data do not have.")
    notes: list[ColumnNote] = Field(description="Of a table: what was missing, not known, or not looked at.")
    rescaled: list[list[float]] | None = Field(
        description="From which scale to which pixels were converted, to one from high to low where pictures on the "
        "other ground were turned light for dark; `null` where both are the same."
    )

    @classmethod
    def shown(cls, document: dict[str, Any]) -> Self:
        """Show what is kept of a model that was measured."""
        names = cls.model_fields.keys() - Scores.model_fields.keys()
        return cls(**scores_of(Measured.parse(document)), **{name: document[name] for name in names})


class DifferenceView(BaseModel):
    """By how much the model is better than the other; of a `log_loss` less is better, and the difference negative."""

    metric: Metric
    model: float | None = Field(examples=[0.9722])
    against: float | None = Field(examples=[0.9583])
    difference: float | None = Field(
        description="The first minus the second; `null` where a log loss is infinite.", examples=[0.0139]
    )
    interval: list[float] | None = Field(
        description="In which the difference lies with 95 %, were other examples drawn.", examples=[[-0.004, 0.0315]]
    )


class ComparisonView(BaseModel):
    """Two models on the same examples, in pairs."""

    both_right: int
    only_model: int = Field(description="Examples that only the model read rightly.")
    only_against: int = Field(description="Examples that only the other one read rightly.")
    both_wrong: int
    p: float = Field(
        description="Of McNemar's exact test, two-sided: how probable so large a difference is by chance, between two "
        "that are equally accurate.",
        examples=[0.2266],
    )
    accuracy: DifferenceView
    metric: DifferenceView = Field(description="By the metric that was asked for.")

    @classmethod
    def shown(cls, document: dict[str, Any]) -> Self:
        """Show what is kept of a comparison."""
        ours, theirs = document["only_ours"], document["only_theirs"]
        return cls(**document, only_model=ours, only_against=theirs)


class LearnedFrom(BaseModel):
    """How many of the examples that were asked for the models have learned from; `null` where that is unknown."""

    model: int | None
    against: int | None


class EvaluationResult(BaseModel):
    """What came of an evaluation."""

    examples: int = Field(description="On which was measured.", examples=[360])
    left_out: int | None = Field(
        description="Examples that were left out because a model has learned from them; `null` where it is unknown "
        "which those are, of one of them.",
        examples=[1437],
    )
    left_out_unknown_because: str | None
    learned_from: LearnedFrom
    data_sha256: str | None = Field(description="Digest of the data set.")
    model: MeasuredView
    against: MeasuredView | None
    comparison: ComparisonView | None


class EvaluationError(BaseModel):
    """Why an evaluation could not be made, and what to do."""

    type: str = Field(examples=["NothingLeftError"])
    message: str


class EvaluationSummary(BaseModel):
    """A model that is, or was, measured on a data set."""

    id: str
    state: EvaluationState
    model: Measurable
    against: Measurable | None
    dataset: str = Field(description="The version, of what was uploaded.", examples=["letters/3"])
    part: Part
    include_learned: bool
    metric: Metric
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: EvaluationError | None
    headline: dict[str, float | None] | None = Field(
        description="Of one that succeeded: `accuracy`, the `value` by its metric, `examples`, and of a comparison "
        "`difference` (by the metric) and `p`.",
        examples=[{"examples": 360, "accuracy": 0.9722, "value": 0.9722, "difference": 0.0139, "p": 0.2266}],
    )
    links: dict[str, str]

    @classmethod
    def summary(cls, row: Row) -> dict[str, Any]:
        """Give the fields for a row of the table `evaluations`."""
        asked = row.asked
        this = {"self": f"/evaluations/{row.id}", "dataset": f"/datasets/{_path(row)}"}
        if row.model is not None:
            this["version"] = f"/models/{row.model}/versions/{row.version}"
        elif row.job_id is not None:
            this["job"] = f"/jobs/{row.job_id}"
        return {
            "id": row.id,
            "state": row.state,
            "model": Measurable(
                reference=asked["model"],
                model=row.model,
                version=row.version,
                job_id=asked["job_id"],
            ),
            "against": None if row.against is None else Measurable(reference=asked["against"], **row.against),
            "dataset": asked["dataset"],
            "part": asked["part"],
            "include_learned": asked["include_learned"],
            "metric": asked["metric"],
            "created_at": moment(row.created_at),
            "started_at": None if row.started_at is None else moment(row.started_at),
            "finished_at": None if row.finished_at is None else moment(row.finished_at),
            "error": row.error and EvaluationError(**row.error),
            "headline": None if row.result is None else row.result["headline"],
            "links": links(this),
        }

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show a row of the table `evaluations`."""
        return cls(**cls.summary(row))


class Evaluation(EvaluationSummary):
    """A model that is, or was, measured on a data set, with what came of it."""

    result: EvaluationResult | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show a row of the table `evaluations`, whole."""
        return cls(**cls.summary(row), result=None if row.result is None else _result(row.result))


def on_card(row: Row) -> dict[str, Any]:
    """Give what the card of a version tells of an evaluation that succeeded."""
    asked, figures = row.asked, row.result["headline"]
    other = row.against and (f"{row.against['model']}/{row.against['version']}" if row.against["model"] else "a job")
    return {
        "id": row.id,
        "dataset": asked["dataset"],
        "part": asked["part"],
        "finished_at": moment(row.finished_at).isoformat(),
        "metric": asked["metric"],
        "against": other,
        "difference": None,
        "p": None,
        **figures,
    }


class EvaluationPage(BaseModel):
    """Some evaluations, the newest first."""

    data: list[EvaluationSummary]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.")


def _result(document: dict[str, Any]) -> EvaluationResult:
    against, comparison = document["against"], document["comparison"]
    names = ("examples", "left_out", "left_out_unknown_because", "data_sha256")
    learned = [*document["learned_from"], None][:2]
    return EvaluationResult(
        **{name: document[name] for name in names},
        learned_from=LearnedFrom(model=learned[0], against=learned[1]),
        model=MeasuredView.shown(document["model"]),
        against=None if against is None else MeasuredView.shown(against),
        comparison=None if comparison is None else ComparisonView.shown(comparison),
    )


def _path(row: Row) -> str:
    return row.dataset if row.dataset_version is None else f"{row.dataset}/versions/{row.dataset_version}"
