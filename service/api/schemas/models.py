"""Models, versions and where they come from, as they are shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from models.spec import TrainingSpec
from service.api.schemas.aliases import AliasView
from service.edge.links import links
from service.store.engine import Row, moment


class ModelSummary(BaseModel):
    """A model: versions under one name."""

    name: str = Field(examples=["mnist"])
    newest_version: int = Field(description="The last number that was given, also if that was deleted.", examples=[3])
    aliases: list[AliasView]
    created_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, row: Row, aliases: Sequence[Row]) -> "ModelSummary":
        """Show a row of the table `models`, and those of its aliases."""
        model = f"/models/{row.name}"
        return cls(
            name=row.name,
            newest_version=row.newest,
            aliases=[AliasView.of(alias) for alias in aliases],
            created_at=moment(row.created_at),
            links=links({"self": model, **{name: f"{model}/{name}" for name in ("versions", "lineage", "history")}}),
        )


class ModelList(BaseModel):
    """The models, by name."""

    data: list[ModelSummary]


class MemberView(BaseModel):
    """A version that is part of an ensemble; it may have been deleted since, and answers on in the ensemble."""

    model: str = Field(examples=["mnist"])
    version: int = Field(examples=[3])


class VersionView(BaseModel):
    """A network that was trained, or several that answer together, as a version of a model; it never changes."""

    model: str = Field(examples=["mnist"])
    version: int = Field(examples=[3])
    job_id: str | None = Field(description="The job that trained it; may have been deleted since. None of an ensemble.")
    epoch: int | None = Field(description="The epoch of that job after which it was taken.", examples=[8])
    members: list[MemberView] | None = Field(description="Of an ensemble: the versions that answer together.")
    weights_sha256: str = Field(description="Of an ensemble: the digest of its members' digests.")
    data_sha256: str | None = Field(description="Digest of the data set; unknown of jobs of earlier releases.")
    val_accuracy: float | None = Field(
        description="Unknown of an ensemble that could not be assessed.", examples=[0.9655]
    )
    facts: dict[str, Any] = Field(
        description="`promoted`, and if not `not_promoted_because`, with the `comparison` that this was decided by; of "
        "its assessment the `temperature` "
        "and `majority_share`, the share of the most frequent class of the validation part, which is the accuracy of "
        "who always guesses that one, and by each metric its `values` and those of `guessing`; or as `no_card_because` "
        "why there is none.",
        examples=[{"temperature": 1.21, "majority_share": 0.1115, "promoted": True, "not_promoted_because": None}],
    )
    has_card: bool
    created_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, row: Row) -> "VersionView":
        """Show a row of the table `versions`."""
        this = f"/models/{row.model}/versions/{row.version}"
        return cls(
            **{
                name: getattr(row, name)
                for name in (
                    "model",
                    "version",
                    "job_id",
                    "epoch",
                    "members",
                    "weights_sha256",
                    "data_sha256",
                    "val_accuracy",
                )
            },
            facts=row.facts,
            has_card="temperature" in row.facts,
            created_at=moment(row.created_at),
            links=links(
                {"self": this, "card": f"{this}/card", "schema": f"{this}/schema", "lineage": f"{this}/lineage"}
                | {"evaluations": f"/evaluations?model={row.model}/{row.version}"}
                | _paths(row, this)
            ),
        )


def _paths(row: Row, this: str) -> dict[str, str]:
    """Give the paths that an ensemble does not have."""
    if row.job_id is None:
        return {}
    return {"job": f"/jobs/{row.job_id}", "onnx": f"{this}/export.onnx", "pt2": f"{this}/export.pt2"}


class VersionPage(BaseModel):
    """Some versions of a model, the newest first."""

    data: list[VersionView]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.")


class Lineage(BaseModel):
    """Where a version comes from: its checkpoint, the job that made it, what that was asked for, and its data."""

    model: str
    version: int
    checkpoint: dict[str, Any] = Field(
        description="The epoch, and the SHA-256 of its weights.", examples=[{"epoch": 8, "weights_sha256": "9f..."}]
    )
    members: list[MemberView] | None = Field(description="Of an ensemble; each has a lineage of its own.")
    job_id: str | None
    job_is_there: bool = Field(description="False once the job was deleted, and of an ensemble.")
    origin: dict[str, Any] | None = Field(description="The job that this job repeats, verifies or goes on from.")
    spec: TrainingSpec | None = Field(description="None of an ensemble.")
    spec_sha256: str | None = Field(description="Equal for jobs that train equal weights.")
    dataset: str
    data_sha256: str | None

    @classmethod
    def of(cls, row: Row, job: Row | None) -> "Lineage":
        """Show where a row of the table `versions` comes from; `job` is its job, if that is still there."""
        spec = TrainingSpec.model_validate(row.spec)
        return cls(
            model=row.model,
            version=row.version,
            checkpoint={"epoch": row.epoch, "weights_sha256": row.weights_sha256},
            members=row.members,
            job_id=row.job_id,
            job_is_there=job is not None,
            origin=job and job.origin,
            spec=None if row.members else spec,
            spec_sha256=None if row.members else spec.digest,
            dataset=spec.dataset,
            data_sha256=row.data_sha256,
        )


class LineageList(BaseModel):
    """Where the versions of a model come from, the newest first."""

    data: list[Lineage]
