"""Shapes on the wire: images that are asked about, and what is read in them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints
from typing_extensions import TypeAliasType

MAX_IMAGES = 10_000
"""How many images one request may hold."""

MOST_EXPLAINED = 100
"""How many of them may be explained: a gradient takes a hundred times the text of what else is told of an image."""

Pixel = Annotated[float, Field(strict=True, ge=0, le=255)]
# Fail fast: a body full of bad pixels shall cost one error, not one for each of them. (Named types, because a union
# with a plain Annotated needs to hash FailFast, which Python 3.11 cannot.)
PixelRow = Annotated[list[Pixel], Field(min_length=28, max_length=28), FailFast()]
Image = TypeAliasType("Image", Annotated[list[PixelRow], Field(min_length=28, max_length=28), FailFast()])
Images = TypeAliasType("Images", Annotated[list[Image], Field(min_length=1, max_length=MAX_IMAGES), FailFast()])
REFERENCE_LENGTH = 256
Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=REFERENCE_LENGTH)]
"""What may name a network; see `service.store.references`."""


class PredictQuery(BaseModel):
    """What is asked of a prediction beside the images: in the query, or in the fields of a form."""

    model: Reference | None = Field(default=None, description="As in the body, for bodies that do not name one.")
    timeout: float | None = Field(
        default=None, gt=0, le=600, description="Seconds after which a 503 is worth more than the answer."
    )
    top_k: int | None = Field(default=None, ge=1, le=10, description="How many digits `top` lists, the surest first.")
    details: bool = Field(default=False, description="Whether to tell `entropy` and `novelty` of each image.")
    reject_below: float | None = Field(
        default=None, ge=0, le=1, description="No digit is named whose probability is less: `rejected` is true."
    )
    explain: Literal["gradient"] | None = Field(
        default=None, description=f"Tell which pixels speak for the digit that was read; up to {MOST_EXPLAINED} images."
    )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for beside digit and probabilities."""
        return self.top_k is None and self.reject_below is None and not self.details and self.explain is None


class PredictRequest(BaseModel):
    """One image or several, and the model to ask."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    image: Image | None = Field(default=None, description="28 rows of 28 numbers from 0 (paper) to 255 (ink).")
    images: Images | None = Field(default=None, description=f"Up to {MAX_IMAGES:,} images.")
    images_base64: str | None = Field(
        default=None, description=f"Up to {MAX_IMAGES:,} images of 784 bytes each, in base64 (RFC 4648, section 4)."
    )
    model: Reference | None = Field(
        default=None,
        description="`name` of a model, whose alias `champion` answers, or without one its newest version; "
        "`name@alias`; `name/3` for a version; or the id of a job. Default: the model `default`, or else the only one.",
        examples=["default@champion"],
    )


class ModelView(BaseModel):
    """The network that answered: a version of a model, or the best checkpoint of a job that is none."""

    name: str | None = Field(default=None, description="Of the model.", examples=["default"])
    version: int | None = Field(default=None, examples=[3])
    job_id: str | None = Field(description="The job that trained it; none of an ensemble.")
    epoch: int | None = Field(examples=[8])
    members: int = Field(default=1, description="How many networks answer together.")
    temperature: float = Field(
        default=1.0, description="What the logits are divided by, so that probabilities can be believed; 1 if unknown."
    )
    weights_sha256: str


class Ranked(BaseModel):
    """A digit and how sure the network is of it."""

    digit: int = Field(examples=[7])
    probability: float = Field(examples=[0.98])


class Prediction(BaseModel):
    """What the network reads."""

    digit: int | None = Field(description="The most probable one; `null` only where it was rejected.", examples=[7])
    probabilities: list[float] = Field(
        description="Of the digits 0 to 9, calibrated by the model's temperature.", min_length=10, max_length=10
    )
    top: list[Ranked] = Field(default=[], description="The surest digits, in order; only sent if `top_k` was given.")
    rejected: bool = Field(
        default=False, description="Whether the network was less sure than `reject_below`; only sent if that was given."
    )
    entropy: float | None = Field(
        default=None,
        description="How undecided the network is, in nats: from 0 to ln 10 = 2.303. Only sent with `details`.",
    )
    novelty: float | None = Field(
        default=None,
        description="Share of validation images that look at least as unusual, at most: the less, the more unusual; "
        "`null` where the network was not assessed. Only sent with `details`.",
    )
    gradient: list[list[float]] | None = Field(
        default=None,
        description="Change of the logit of the most probable digit with each pixel, 28 rows of 28: above 0 where more "
        "ink speaks for it. Only sent with `explain=gradient`.",
    )


class Unreadable(BaseModel):
    """Stands in the place of a file that is no picture of a digit."""

    error: str = Field(examples=["the picture is blank; draw in an ink that stands out from its background"])


class PredictionWithModel(Prediction):
    """What the network reads in one image."""

    model: ModelView


class Predictions(BaseModel):
    """What the network reads in several images, in their order."""

    predictions: list[Prediction | Unreadable] = Field(description="Only files of a form may be unreadable.")
    model: ModelView
