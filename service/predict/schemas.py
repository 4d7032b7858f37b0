"""Shapes on the wire: images that are asked about, and what is read in them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.data.schema import MAX_CLASSES, MAX_COLUMNS, MAX_SIDE

MAX_IMAGES = 10_000
"""How many images, or rows of a table, one request may hold."""

MOST_EXPLAINED = 100
"""How many of them may be explained: a gradient takes a hundred times the text of what else is told of an image."""

MOST_GRADIENTS = 2**20
"""Numbers of the gradients of one answer, each a dozen letters."""

MOST_OCCLUDED = 2**24
"""Numbers that are computed with to explain rows: of each row, for each of its columns, what the network takes in."""

# These describe what may be sent to some network; what one network takes is told by its version's schema.
Pixel = float | Annotated[list[float], Field(min_length=3, max_length=3)]
PixelRow = Annotated[list[Pixel], Field(min_length=1, max_length=MAX_SIDE)]
Image = Annotated[list[PixelRow], Field(min_length=1, max_length=MAX_SIDE)]
Cell = float | str | bool | None
Row = Annotated[dict[str, Cell], Field(min_length=1, max_length=MAX_COLUMNS)]
REFERENCE_LENGTH = 256
Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=REFERENCE_LENGTH)]
"""What may name a network; see `service.store.references`."""


_UNIT = (
    "`unit`: the numbers of images are from 0 to 1, as shares of the model's scale, and are brought to it; they are "
    "refused otherwise where they look so."
)


class PredictQuery(BaseModel):
    """What is asked of a prediction beside the images: in the query, or in the fields of a form."""

    model: Reference | None = Field(default=None, description="As in the body, for bodies that do not name one.")
    timeout: float | None = Field(
        default=None, gt=0, le=600, description="Seconds after which a 503 is worth more than the answer."
    )
    top_k: int | None = Field(
        default=None, ge=1, le=MAX_CLASSES, description="How many classes `top` lists, the surest first."
    )
    named: bool = Field(default=False, description="Whether `probabilities` is an object, by the names of the classes.")
    details: bool = Field(default=False, description="Whether to tell `entropy` and `novelty` of each image.")
    reject_below: float | None = Field(
        default=None, ge=0, le=1, description="No class is named whose probability is less: `rejected` is true."
    )
    scale: Literal["unit"] | None = Field(default=None, description=_UNIT)
    explain: Literal["gradient", "columns"] | None = Field(
        default=None,
        description="Tell what speaks for the class that was read: of images `gradient`, by their pixels, of rows of a "
        f"table `columns`. Up to {MOST_EXPLAINED}, of large ones fewer.",
    )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for beside the class and the probabilities in their order."""
        has_options = self.named or self.details or self.top_k is not None
        return not has_options and self.reject_below is None and self.explain is None


class PredictRequest(BaseModel):
    """One image or several, or one row of a table or several, and the model to ask."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    image: Image | str | None = Field(
        default=None,
        description="As many rows of as many numbers as the model's images have, on their scale: 28 rows of 28 from 0 "
        "(paper) to 255 (ink) for the digits. Of colour images, red, green and blue for each number. Or a picture's "
        "file, as a data URL or in base64.",
    )
    images: Annotated[list[Image | str], Field(min_length=1, max_length=MAX_IMAGES)] | None = Field(
        default=None, description=f"Up to {MAX_IMAGES:,} images, all as numbers or all as files."
    )
    images_base64: str | None = Field(
        default=None,
        description=f"Up to {MAX_IMAGES:,} images of a byte for each number, 784 for the digits, in base64 (RFC 4648, "
        "section 4). Or a picture's file.",
    )
    row: Row | None = Field(
        default=None,
        description="A row of the model's table, each column by its name; numbers may be sent as texts.",
        examples=[{"alcohol": 13.2, "magnesium": 127}],
    )
    rows: Annotated[list[Row], Field(min_length=1, max_length=MAX_IMAGES)] | None = Field(
        default=None, description=f"Up to {MAX_IMAGES:,} rows."
    )
    scale: Literal["unit"] | None = Field(default=None, description=_UNIT)
    model: Reference | None = Field(
        default=None,
        description="`name` of a model, whose alias `champion` answers, or without one its newest version; "
        "`name@alias`; `name/3` for a version; or the id of a job. Default: what "
        "`TENFOLD_DEFAULT_MODEL` names, or else the model `default`, or else the only one.",
        examples=["mnist@champion"],
    )


class ModelView(BaseModel):
    """The network that answered: a version of a model, or the best checkpoint of a job that is none."""

    name: str | None = Field(default=None, description="Of the model.", examples=["mnist"])
    version: int | None = Field(default=None, examples=[3])
    job_id: str | None = Field(description="The job that trained it; none of an ensemble.")
    epoch: int | None = Field(examples=[8])
    members: int = Field(default=1, description="How many networks answer together.")
    temperature: float = Field(
        default=1.0, description="What the logits are divided by, so that probabilities can be believed; 1 if unknown."
    )
    weights_sha256: str
    classes: list[str] | None = Field(
        default=None,
        description="Their names, in the order of `probabilities`; not sent of the digits 0 to 9.",
    )


class Ranked(BaseModel):
    """A class and how sure the network is of it."""

    digit: int | None = Field(default=None, description="As in the prediction.", examples=[7])
    label: str = Field(examples=["7"])
    probability: float = Field(examples=[0.98])


class NoteView(BaseModel):
    """What was made of one column of a row."""

    column: str = Field(examples=["Age"])
    kind: Literal["missing", "unknown_level", "ignored"] = Field(
        description="`ignored`: the network does not use it, as an `Id`, or the label itself."
    )
    sent: float | str | bool | None = Field(description="What was sent, shortened; `null` where nothing was.")
    used: float | str | None = Field(
        description="What is usual among those it learned from, of what is missing. `null` where nothing stands for "
        "it: an unknown level counts as none of those that were learned, but that of a boolean as the one said here.",
        examples=[28.0],
    )
    nearest: str | None = Field(
        default=None,
        description="The level that is written as the unknown one, but for small and capital letters and blanks; only "
        "sent where there is one.",
        examples=["female"],
    )


class Prediction(BaseModel):
    """What the network reads."""

    digit: int | None = Field(
        default=None,
        description="The most probable one, `null` where it was rejected; only sent of networks whose classes are the "
        "digits 0 to 9.",
        examples=[7],
    )
    label: str | None = Field(
        description="Name of the most probable class; `null` only where it was rejected.", examples=["7"]
    )
    probabilities: list[float] | dict[str, float] = Field(
        description="Of the classes in the order of `model.classes`, or of the digits 0 to 9; or by name, if `named`. "
        "Calibrated by the model's temperature."
    )
    top: list[Ranked] = Field(default=[], description="The surest classes, in order; only sent if `top_k` was given.")
    rejected: bool = Field(
        default=False, description="Whether the network was less sure than `reject_below`; only sent if that was given."
    )
    entropy: float | None = Field(
        default=None,
        description="How undecided the network is, in nats: from 0 to the logarithm of the number of classes, ln 10 = "
        "2.303 of the digits. Only sent with `details`.",
    )
    novelty: float | None = Field(
        default=None,
        description="Share of validation examples that look at least as unusual, at most: the less, the more unusual; "
        "`null` where the network was not assessed. Only sent with `details`.",
    )
    gradient: list[list[float | list[float]]] | None = Field(
        default=None,
        description="Change of the logit of the most probable class with each number of the image, in its shape: above "
        "0 where more (of the digits, ink) speaks for it. Only sent with `explain=gradient`.",
    )
    columns: dict[str, float] | None = Field(
        default=None,
        description="What each column adds to the probability of the most probable class: how much less it would be if "
        "the column had the value that is usual in the training part. Only sent with `explain=columns`.",
        examples=[{"Sex": 0.31, "Age": -0.02}],
    )
    notes: list[NoteView] = Field(
        default=[], description="What was made of a row that is not exactly as the table; only sent where there is any."
    )


class Unreadable(BaseModel):
    """Stands in the place of a picture that cannot be read."""

    error: str = Field(examples=["the picture is blank; draw in an ink that stands out from its background"])


class PredictionWithModel(Prediction):
    """What the network reads in one image, or one row."""

    model: ModelView


class Predictions(BaseModel):
    """What the network reads in several images or rows, in their order."""

    predictions: list[Prediction | Unreadable] = Field(
        description="Only pictures may be unreadable; where all are, that is a 422."
    )
    model: ModelView
