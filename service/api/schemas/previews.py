"""Shapes on the wire: what a file is taken for by its first part."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExcerptView(BaseModel):
    """The part of a file that was looked at; counts, classes, scale and what is said of all rows hold for it."""

    whole: bool = Field(description="Whether it was all of the file: then it is what a version would be.")
    taken: Literal["all", "start", "throughout"] = Field(
        description="`start`: the first examples; `throughout`: examples from all over the file, in its order."
    )
    examples: int | None = Field(description="Rows that were looked at; unknown where faults were found.")
    of_examples: int | None = Field(description="Rows in the file, where it says so itself.", examples=[660_000])
    bytes: int | None = Field(description="Bytes of the file that they stand in, where they stand at its beginning.")
    of_bytes: int = Field(description="Bytes of the file.", examples=[524_288_000])


class Preview(BaseModel):
    """What a file would be taken for, and which part of it was looked at; nothing of it is kept."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    kind: Literal["images", "table"]
    form: dict[str, Any] = Field(
        alias="schema", description="What its examples are, as a version would have it; the classes are those seen."
    )
    reading: dict[str, Any] = Field(
        description="What the file was taken for and why, classes with their counts, and what was left out, dropped "
        "and noticed."
    )
    examples: int = Field(description="Examples in the part that was looked at.", examples=[11_543])
    options: dict[str, Any] = Field(description="What was said about the file, as it was understood.")
    excerpt: ExcerptView
    name: str | None = Field(description="What the sender calls the file, if that is known.", examples=["letters.csv"])
    size: int = Field(description="Bytes of the file.", examples=[524_288_000])
