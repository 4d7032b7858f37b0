"""What may be said about a file, where what would be found is not what is meant."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.data.schema import MAX_SIDE, Fit, Missing, Unknown

Column = str | Annotated[int, Field(ge=0)]
"""The name of a column, or its place, counted from 0."""


_SIZE = re.compile(r"(\d{1,6})(?:\s*[x,]\s*(\d{1,6}))?")
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


class Options(BaseModel):
    """How to read a file; what is not said is found out. They are kept, and hold for the next version as well."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    label: Column | None = Field(default=None, description="The column that holds the classes: its name or place.")
    ignore: tuple[Column, ...] = Field(default=(), max_length=10_000, description="Columns to leave out.")
    types: dict[str, Literal["number", "category", "boolean", "date"]] = Field(
        default_factory=dict, max_length=10_000, description="What columns are to be taken for, by name."
    )
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="What stands between two cells of a text: a character, or comma, semicolon, tab, bar."
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="What decimals have in numbers of a text.")
    header: bool | None = Field(default=None, description="Whether the first line names the columns.")
    encoding: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="Of a text, as Python calls it."
    )
    classes: dict[str, str] | tuple[str, ...] | None = Field(
        default=None,
        max_length=10_000,
        description="New names of classes by the labels in the file, of which several may have one; or all in order.",
    )
    size: tuple[Annotated[int, Field(ge=1, le=MAX_SIDE)], Annotated[int, Field(ge=1, le=MAX_SIDE)]] | None = Field(
        default=None, description="Height and width of the pictures in pixels."
    )
    channels: Literal[1, 3] | None = Field(default=None, description="1: grey, 3: red, green and blue.")
    fit: Fit | None = Field(
        default=None,
        description="What becomes of the proportions of picture files: stretched, padded with their ground, or cut.",
    )
    kind: Literal["images", "table"] | None = Field(default=None, description="Whether rows are pictures or a table's.")
    preparation: Literal["digits", "plain"] | None = Field(
        default=None, description="How pictures that are sent to the network are brought to its form."
    )
    transpose: bool | None = Field(default=None, description="Whether pixels stand column by column.")
    scale: tuple[float, float] | None = Field(default=None, description="The least and the greatest number of a pixel.")
    split: Column | None = Field(
        default=None, description="The column that says of each row: `train`, `validation` or `test`."
    )
    duplicates: Literal["keep", "drop"] | None = Field(
        default=None,
        description="Whether examples that are equal to earlier ones, and have the same label, are kept, or left out.",
    )
    missing: Missing | None = Field(default=None, description="What becomes of a row that lacks a number or a level.")
    unknown: Unknown | None = Field(default=None, description="What becomes of a level that nobody knows.")

    @field_validator("separator", mode="before")
    @classmethod
    def _called(cls, given: object) -> object:
        return _SEPARATORS.get(given, given) if isinstance(given, str) else given

    @field_validator("size", mode="before")
    @classmethod
    def _written_size(cls, given: object) -> object:
        """Take `28x28`, or one number for both: in addresses brackets mean something else to many."""
        if not isinstance(given, str | int) or isinstance(given, bool):
            return given
        found = _SIZE.fullmatch(str(given).strip())
        if found is None:
            raise ValueError("say height and width, as 28x28 or [28, 28], or one number for both")
        return [int(found[1]), int(found[2] or found[1])]

    @field_validator("scale", mode="before")
    @classmethod
    def _written_scale(cls, given: object) -> object:
        """Take `0,255`."""
        if not isinstance(given, str):
            return given
        try:
            return [float(part) for part in given.split(",")]
        except ValueError:
            raise ValueError("say the least and the greatest number of a pixel, as 0,255 or [0, 255]") from None

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "Options":
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError("of scale, the first number must be less than the second")
        return self
