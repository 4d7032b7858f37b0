"""Shapes on the wire: readiness, version."""

from pydantic import BaseModel, Field


class Ready(BaseModel):
    """Whether everything a job needs is there."""

    database: bool
    broker: bool
    worker: bool = Field(description="Whether a training worker was seen lately.")


class Version(BaseModel):
    """Which software answers."""

    name: str = Field(examples=["tenfold"])
    version: str = Field(examples=["0.1.0"])
    python: str = Field(examples=["3.11.7"])
