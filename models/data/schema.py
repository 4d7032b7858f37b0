"""What the examples of a data set are: pictures of one form, or rows of a table; and the names of their classes.

A schema is a fact about a version of a data set and never changes. It is stored with the version, and with every
network that learned from it and is not of the usual form.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

MAX_CLASSES = 1000
MAX_SIDE = 1024
MAX_COLUMNS = 10_000

Classes = Annotated[tuple[str, ...], Field(min_length=2, max_length=MAX_CLASSES)]
Missing = Literal["impute", "refuse"]
Unknown = Literal["other", "refuse"]
Fit = Literal["stretch", "pad", "crop"]
Ground = Literal["dark", "light"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Images(_Frozen):
    """Pictures of one form: `height` x `width` pixels of one channel (grey) or three (red, green, blue).

    Numbers come on `scale`, from `low` to `high`. With `steps` they are stored as whole numbers, uint8 from 0 to
    `steps`, of which p stands for `low + p (high - low) / steps`; without, as they came, in float32. `preparation`
    brings any picture to this form; `plain` stretches those of other proportions, pads them with their ground, or cuts
    them to their middle, as `fit` says. `ground` is that of all of the pictures, where they are grey and agree in it:
    one that is sent on the other is turned light for dark. Class i has the i-th of `classes` for its name.
    """

    kind: Literal["images"] = "images"
    height: int = Field(default=28, ge=1, le=MAX_SIDE)
    width: int = Field(default=28, ge=1, le=MAX_SIDE)
    channels: Literal[1, 3] = 1
    scale: tuple[float, float] = (0.0, 255.0)
    steps: int | None = Field(default=255, ge=1, le=255)
    preparation: Literal["digits", "plain"] = "digits"
    # What is usual is not written down: schemas of before, and digests over them, stay what they were.
    fit: Fit = Field(default="stretch", exclude_if=lambda fit: fit == "stretch")
    ground: Ground | None = Field(default=None, exclude_if=lambda ground: ground is None)
    classes: Classes = tuple("0123456789")

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if not self.scale[0] < self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}; the first of the two must be less")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of one picture: [height, width], or [height, width, 3]."""
        size = (self.height, self.width)
        return size if self.channels == 1 else (*size, self.channels)

    @property
    def inputs(self) -> int:
        """Count the numbers that a network takes in of one picture."""
        return self.height * self.width * self.channels

    @property
    def unit(self) -> float:
        """Tell what one step of a stored number is on the scale that it came on."""
        return 1.0 if self.steps is None else (self.scale[1] - self.scale[0]) / self.steps

    @property
    def origin(self) -> float:
        """Tell what a stored 0 is on the scale that it came on."""
        return 0.0 if self.steps is None else self.scale[0]


class Column(_Frozen):
    """A column that a network takes in; `levels` are those of a category, or the two of a boolean (false, true).

    `missing` tells whether any example lacks it.
    """

    name: str = Field(min_length=1)
    type: Literal["number", "category", "boolean"]
    levels: tuple[str, ...] = ()
    missing: bool = False


class Table(_Frozen):
    """Rows of a table: its columns in their order, without the label and without those that were left out.

    Stored in float64 [N, columns]: numbers as they are, of categories and booleans the place of their level, NaN where
    missing. `label` is the name of the column that holds the classes, `ignored` are those that were left out: both are
    known when a row is sent with them. What to do where a row lacks a number or a level, or has a level that nobody
    knows, is said by `missing` and `unknown`.
    """

    kind: Literal["table"] = "table"
    columns: tuple[Column, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    label: str | None = None
    ignored: tuple[str, ...] = ()
    missing: Missing = "impute"
    unknown: Unknown = "other"
    classes: Classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of one row as it is stored: [columns]."""
        return (len(self.columns),)

    @property
    def inputs(self) -> int:
        """Count the numbers that a network takes in of one row, at most: a column missing nowhere has no indicator."""
        return sum(
            (len(column.levels) + 1 if column.type == "category" else 1) + column.missing for column in self.columns
        )


def is_as_mnist(schema: Images | Table) -> bool:
    """Whether examples are as MNIST's, whatever their classes are called: 28 x 28 grey pixels 0 to 255, ten classes."""
    return (
        isinstance(schema, Images)
        and schema.shape == USUAL.shape
        and schema.scale == USUAL.scale
        and len(schema.classes) == len(USUAL.classes)
    )


Schema = Annotated[Images | Table, Field(discriminator="kind")]

TEXT: TypeAdapter[Images | Table] = TypeAdapter(Schema)

USUAL = Images()
"""MNIST's form: 28 x 28 grey pixels from 0 to 255, ten classes called 0 to 9."""


def read(document: object) -> Images | Table:
    """Give the schema of a document as `model_dump(mode="json")` writes it; raises ValueError for anything else."""
    return TEXT.validate_python(document)
