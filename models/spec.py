"""What a client asks for: every hyper-parameter of one training run, with its bounds, default and unit."""

import hashlib
import itertools
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints, ValidationInfo, field_validator

from models.data.builtin import BUILTIN

PIXELS = 28 * 28
CLASSES = 10
MAX_PARAMETERS = 10_000_000
MAX_EPOCHS = 1000

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
"""A name a client may give to a job, a label or a data set."""

DEFAULT_MODEL = "default"
"""The model that a job's network belongs to, and that is asked, where nobody names one."""

LabelValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._ -]*$", max_length=128)]

Width = Annotated[int, Field(strict=True, ge=1, le=4096)]


def parameter_count(architecture: str, hidden_sizes: tuple[int, ...]) -> int:
    """Count the numbers that a network of this shape learns; on paper, before any of them is allocated."""
    sizes = (PIXELS, *hidden_sizes, CLASSES)
    linear = sum(fan_in * fan_out + fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    normalisation = 2 * sum(hidden_sizes) if architecture == "nmlp" else 0
    return linear + normalisation


FILING = frozenset({"name", "labels", "model", "promote", "promote_margin"})
"""Fields that say what a job and its network are called and kept for, and change nothing that is trained."""


class TrainingSpec(BaseModel):
    """One network to be trained once. Immutable; unknown fields are refused.

    Everything that decides the outcome is here: two runs of an equal spec on equal data, on the same machine,
    end with the same weights to the bit.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "name": "report-trial-1",
                    "architecture": "mlp",
                    "hidden_sizes": [100, 50],
                    "dataset": "mnist",
                    "optimizer": "adam",
                    "learning_rate": 0.01,
                    "batch_size": 128,
                    "epochs": 10,
                }
            ]
        },
    )

    name: Name | None = Field(
        default=None, description="A name for people; need not be unique.", examples=["report-trial-1"]
    )
    labels: dict[Name, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Up to 16 key-value pairs to find the job by (`GET /jobs?label=team:vision`).",
        examples=[{"team": "vision"}],
    )
    model: Name = Field(
        default=DEFAULT_MODEL,
        description="Name of the model that the network is to be a version of, once the job has succeeded.",
        examples=["default"],
    )
    promote: Literal["always", "if_better", "never"] = Field(
        default="always",
        description="Whether that version becomes the model's champion, which answers for it. `if_better`: only if "
        "there is none, or one that was measured on the same validation part and is worse. In a sweep `if_better` is "
        "the default.",
        examples=["always"],
    )
    promote_margin: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        le=1.0,
        description="By more than how much validation accuracy `if_better` must be better.",
        examples=[0.0],
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

    dataset: Name = Field(
        default="mnist",
        description=f"Name of a data set: {', '.join(f'`{name}`' for name in BUILTIN)}, or an uploaded one.",
        examples=["mnist"],
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
    batch_size: int = Field(
        default=128, strict=True, ge=1, le=8192, description="Examples in one step.", examples=[128]
    )
    epochs: int = Field(
        default=10, strict=True, ge=1, le=MAX_EPOCHS, description="Passes over the training part.", examples=[10]
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Numbers that are multiplied; `bfloat16` is refused by workers whose processor is not faster with "
        "it. Weights, gradients and the optimiser's state are float32 in any case.",
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
    early_stopping_patience: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(
        default=None,
        description="Stop after this many epochs without a better validation accuracy; `null`: never.",
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
        parameters = parameter_count(known.data.get("architecture", "mlp"), hidden_sizes)
        if parameters > MAX_PARAMETERS:
            raise ValueError(
                f"hidden_sizes {list(hidden_sizes)} make a network of {parameters:,} parameters, more than "
                f"the {MAX_PARAMETERS:,} allowed; use fewer or smaller layers"
            )
        return hidden_sizes

    @field_validator("dropout")
    @classmethod
    def _only_where_there_is_dropout(cls, dropout: float, known: ValidationInfo) -> float:
        if dropout and known.data.get("architecture") == "mlp":
            raise ValueError('dropout belongs to the architecture "nmlp"; leave it out or set architecture to "nmlp"')
        return dropout

    @field_validator("momentum")
    @classmethod
    def _only_where_there_is_momentum(cls, momentum: float, known: ValidationInfo) -> float:
        if momentum and known.data.get("optimizer") in {"adam", "adamw"}:
            raise ValueError('momentum belongs to the optimizer "sgd"; leave it out or set optimizer to "sgd"')
        return momentum

    @property
    def parameters(self) -> int:
        """Count the numbers that the network learns."""
        return parameter_count(self.architecture, self.hidden_sizes)

    @property
    def digest(self) -> str:
        """Give the SHA-256, in hexadecimal, of all that decides the weights: equal for specs only filed differently."""
        deciding = self.model_dump(mode="json", exclude={*FILING, "max_seconds"})
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    @property
    def shape(self) -> str:
        """Name what networks must have in common to be trained together, as one stack.

        They may differ in everything else: seed, optimiser and its settings, dropout, epochs, patience.
        """
        sizes = "-".join(str(size) for size in self.hidden_sizes)
        data = f"{self.dataset}/{self.validation_fraction}/{self.split_seed}"
        return f"{self.architecture}/{sizes}/{self.batch_size}/{self.precision}/{data}"
