"""Shapes on the wire: data sets."""

from typing import Literal

from pydantic import BaseModel, Field


class DatasetDescription(BaseModel):
    """What a worker found in a data set."""

    examples: int = Field(examples=[60_000])
    image_shape: list[int] = Field(examples=[[28, 28]])
    class_counts: list[int] = Field(description="Examples of each class, 0 to 9.")
    mean: float = Field(description="Mean of all pixels, 0-255.", examples=[33.32])
    deviation: float = Field(description="Standard deviation of all pixels.", examples=[78.57])
    sha256: str = Field(description="Digest of the pixels and the labels.")


class Dataset(BaseModel):
    """A data set."""

    name: str = Field(examples=["mnist"])
    source: Literal["builtin", "upload"]
    state: Literal["unknown", "pending", "ready", "failed"] = Field(
        description="`unknown`: nobody has asked for it yet. `pending`: a worker is looking at it."
    )
    description: DatasetDescription | None
    error: str | None = Field(description="Why it could not be described.")
    links: dict[str, str]


class DatasetList(BaseModel):
    """The data sets."""

    data: list[Dataset]
