"""What a new version and the champion came to on the same examples, as it is shown."""

from pydantic import BaseModel, Field

from models.metric import Metric


class WorstClassView(BaseModel):
    """The class that loses most by a new version: the share of its examples that each of the two finds."""

    name: str = Field(examples=["barbera"])
    recall: float = Field(examples=[0.91])
    champion_recall: float = Field(examples=[0.93])


class AgainstChampion(BaseModel):
    """A new version, and the champion of then if there was one, on the same examples."""

    dataset: str = Field(examples=["letters/2"])
    part: str = Field(description="`validation`, `test` or `all`.", examples=["validation"])
    examples: int = Field(description="So many were measured on.", examples=[297])
    left_out: int = Field(description="So many were not, as one of the two has learned from them.", examples=[63])
    metric: Metric
    value: float | None = Field(description="Of the new version; `null` of an infinite log loss.", examples=[0.9529])
    guessing: float = Field(description="What guessing comes to on these examples.", examples=[0.1178])
    champion: int | None = Field(description="The version that was champion.", examples=[3])
    champion_value: float | None = Field(description="What it came to on them.", examples=[0.9327])
    difference: float | None = Field(description="Between the two values.", examples=[0.0202])
    interval: list[float] | None = Field(
        description="The difference's interval of 95 %: from, to; told, and nothing is decided by it.",
        examples=[[-0.004, 0.0444]],
    )
    p: float | None = Field(description="Of McNemar's exact test; told, and nothing is decided by it.", examples=[0.11])
    worst_class: WorstClassView | None
    learned_unknown: bool = Field(
        description="Whether it is not known any more what one of the two has learned from, so that nothing of it "
        "could be left out; only where `evaluate_on` names the examples."
    )
