"""Shapes on the wire: data sets."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from service.edge.links import links
from service.store.engine import Row


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

    @classmethod
    def of(cls, name: str, row: Row | None) -> Self:
        """Show a data set; a built-in one that nobody has asked for yet has no row."""
        lead = links({"self": f"/datasets/{name}", "samples": f"/datasets/{name}/samples.png"})
        if row is None:
            return cls(name=name, source="builtin", state="unknown", description=None, error=None, links=lead)
        description = DatasetDescription(**row.description) if row.description else None
        return cls(name=name, source=row.source, state=row.state, description=description, error=row.error, links=lead)


class DatasetList(BaseModel):
    """The data sets."""

    data: list[Dataset]
