"""Which checkpoint of a job shall become a version of a model."""

from typing import Annotated

from pydantic import ConfigDict, Field

from models.filing import PromotionTerms
from models.spec import MAX_EPOCHS
from service.api.schemas.jobs import CheckpointName, Identifier


class Adoption(PromotionTerms):
    """Which checkpoint of which job is to be a version, and whether it is to be champion."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    job: Identifier = Field(
        description="Id of a job that has ended: that succeeded, failed or was cancelled.",
        examples=["8a6e0804-2bd0-4672-b79d-d97027f9071a"],
    )
    checkpoint: CheckpointName | Annotated[int, Field(strict=True, ge=1, le=MAX_EPOCHS)] = Field(
        default="best",
        description="The weights after its best or its last epoch, or the number of one of these two.",
        examples=["best"],
    )
