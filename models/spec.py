"""What a client asks for: every hyper-parameter of one training run, with its bounds, default and unit."""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import ConfigDict, FailFast, Field, ValidationInfo, field_validator

from models.filing import Filing, PromotionTerms
from models.metric import Metric
from models.size import MAX_PARAMETERS, parameter_count, too_large
from models.terms import EXAMPLE, ClassWeight, Width

PIXELS, CLASSES = 28 * 28, 10
"""Inputs and classes of MNIST's form."""

MAX_EPOCHS = 1000

FILING = frozenset({*Filing.model_fields, *PromotionTerms.model_fields}) - {"dataset"}
"""Fields that say what a job and its network are called and kept for, and change nothing that is trained."""

_ADDED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {"class_weights": ("none",), "stratify": (None, False), "metric": ("accuracy",), "order_seed": (None,)}
)
"""Fields that specs of before did not have, and the values that stand for what was done then."""


class TrainingSpec(PromotionTerms, Filing):
    """One network to be trained once. Immutable; unknown fields are refused.

    Everything that decides the outcome is here: two runs of an equal spec on equal data, on the same machine,
    end with the same weights to the bit.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [EXAMPLE]},
    )

    architecture: Literal["mlp", "nmlp"] = Field(
        default="mlp",
        description="`mlp`: linear layers and ReLU. `nmlp`: with layer normalisation after every hidden linear "
        "layer and dropout after the last one.",
        examples=["mlp"],
    )
    hidden_sizes: Annotated[tuple[Width, ...], FailFast()] = Field(
        default=(100, 50),
        min_length=1,
        max_length=8,
        description="Units of each hidden layer, from the image to the output; 1 to 8 layers of 1 to 4096 units. "
        f"The whole network has at most {MAX_PARAMETERS:,} parameters.",
        examples=[[100, 50]],
    )
    dropout: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="Probability with which a unit of the last hidden layer is dropped while training (`nmlp`).",
        examples=[0.0],
    )

    validation_fraction: float = Field(
        default=0.2,
        strict=True,
        ge=0.01,
        le=0.9,
        description="Share of the examples that is set aside for validation.",
        examples=[0.2],
    )
    split_seed: int = Field(
        default=42,
        strict=True,
        ge=0,
        le=2**32 - 1,
        description="Random state of the split into training and validation part.",
        examples=[42],
    )
    stratify: Annotated[bool, Field(strict=True)] | None = Field(
        default=None,
        description="Whether each class has the same share in both parts. `null`: yes, but for data sets that are "
        "built in, or were uploaded before there was a choice; the job tells which it is.",
        examples=[True],
    )

    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam",
        description="Optimiser; `adamw` decouples weight decay from the gradient.",
        examples=["adam"],
    )
    learning_rate: float = Field(
        default=0.001,
        strict=True,
        gt=0.0,
        le=10.0,
        description="Step size of the optimiser.",
        examples=[0.01],
    )
    learning_rate_schedule: Literal["constant", "cosine", "one_cycle"] = Field(
        default="constant",
        description="How the learning rate changes from batch to batch: `cosine` falls from it to 0; `one_cycle` rises "
        "to it during the first 30 % of all batches and falls far below it during the others.",
        examples=["constant"],
    )
    momentum: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="Momentum of `sgd`; the other optimisers have their own.",
        examples=[0.0],
    )
    weight_decay: float = Field(
        default=0.0, strict=True, ge=0.0, le=1.0, description="Strength of the L2 penalty.", examples=[0.0]
    )
    shift_pixels: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=8,
        description="Move the images of each batch together by up to so many whole pixels, in both directions.",
        examples=[0],
    )
    rotation_degrees: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        le=45.0,
        description="Turn each image by a random angle of up to so many degrees.",
        examples=[0.0],
    )
    ema_decay: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="Weight averaging: keep an exponential moving average of the weights, evaluate it and store it as "
        "the network. 0: none; 0.999 looks back on about a thousand batches.",
        examples=[0.0],
    )
    class_weights: Literal["none", "balanced"] | dict[str, ClassWeight] = Field(
        default="none",
        description="How much an example counts in the loss, by its class: `balanced` gives all classes the same "
        "weight together; or a number for each name, 1 where there is none.",
        examples=["balanced"],
    )
    batch_size: int = Field(
        default=128, strict=True, ge=1, le=8192, description="Examples in one step.", examples=[128]
    )
    epochs: int = Field(
        default=10, strict=True, ge=1, le=MAX_EPOCHS, description="Passes over the training part.", examples=[10]
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Numbers that are multiplied; `bfloat16` is refused by workers whose processor is not faster with "
        "it. Weights, gradients and the optimiser's state are float32 in any case, and so is all that is measured "
        "on the validation part.",
        examples=["float32"],
    )
    shuffle: bool = Field(
        default=True,
        strict=True,
        description="Whether each epoch visits the examples in a new random order.",
        examples=[True],
    )
    seed: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=2**32 - 1,
        description="Seed of the initial weights, the order of the examples, dropout and augmentation.",
        examples=[0],
    )
    order_seed: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)] | None = Field(
        default=None,
        description="Seed of the order of the examples alone (with `shuffle`): networks that have it in common visit "
        "the same batches, whatever their `seed`. `null`: as `seed`.",
        examples=[0],
    )
    metric: Metric = Field(
        default="accuracy",
        description="Which measure of the validation part decides which epoch is best, when patience is at its end, "
        "who falls behind in halving, and `promote`.",
        examples=["balanced_accuracy"],
    )
    early_stopping_patience: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(
        default=None,
        description="Stop after this many epochs that were not better by `metric`; `null`: never.",
        examples=[3],
    )

    max_seconds: float | None = Field(
        default=None,
        strict=True,
        gt=0.0,
        le=30 * 24 * 3600,
        description="Stop after so many seconds of training, all attempts together, and succeed with what was learned; "
        "`null`: never.",
        examples=[600.0],
    )

    # Fields are validated in the order in which they stand above: what a rule looks back on is known by then, unless
    # it was itself wrong.

    @field_validator("hidden_sizes")
    @classmethod
    def _not_too_large(cls, hidden_sizes: tuple[int, ...], known: ValidationInfo) -> tuple[int, ...]:
        # How many inputs and classes there are is only known with the data set (see models/suitability.py).
        if why := too_large(known.data.get("architecture", "mlp"), hidden_sizes):
            raise ValueError(why)
        return hidden_sizes

    @field_validator("dropout", "momentum", "order_seed")
    @classmethod
    def _only_where_there_is_such_a_thing(cls, value: float | None, known: ValidationInfo) -> float | None:
        if value and known.field_name == "dropout" and known.data.get("architecture") == "mlp":
            raise ValueError('dropout belongs to the architecture "nmlp"; leave it out or set architecture to "nmlp"')
        if value and known.field_name == "momentum" and known.data.get("optimizer") in {"adam", "adamw"}:
            raise ValueError('momentum belongs to the optimizer "sgd"; leave it out or set optimizer to "sgd"')
        if value is not None and known.field_name == "order_seed" and known.data.get("shuffle") is False:
            raise ValueError("without shuffle there is one order for all; leave order_seed out or set shuffle to true")
        return value

    @property
    def parameters(self) -> int | None:
        """Count the numbers that the network learns, if that can be told by the name of its data set alone."""
        # All uploads of before are in MNIST's form, as what is built in.
        return None if "/" in self.dataset else self.parameters_for(PIXELS, CLASSES)

    def parameters_for(self, inputs: int, classes: int) -> int:
        """Count the numbers that the network learns from data with so many inputs and classes."""
        return parameter_count(self.architecture, self.hidden_sizes, inputs=inputs, classes=classes)

    @property
    def digest(self) -> str:
        """Give the SHA-256, in hexadecimal, of all that decides the weights: equal for specs only filed differently."""
        deciding = self.model_dump(mode="json", exclude={*FILING, "max_seconds"})
        if self.order_seed == self.seed:
            deciding["order_seed"] = None  # which comes to the same order
        # What came later counts only where it is used, and a version not at all: specs of before keep their digests.
        for name, before in _ADDED.items():
            if deciding[name] in before:
                del deciding[name]
        deciding["dataset"] = self.dataset.partition("/")[0]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    @property
    def shape(self) -> str:
        """Name what networks must have in common to be trained together, as one stack.

        They may differ in everything else: seeds, optimiser and its settings, dropout, epochs, patience.
        """
        sizes = "-".join(str(size) for size in self.hidden_sizes)
        data = f"{self.dataset}/{self.validation_fraction}/{self.split_seed}{'/stratified' if self.stratify else ''}"
        return f"{self.architecture}/{sizes}/{self.batch_size}/{self.precision}/{data}"
