"""Shapes on the wire: aliases, their moves, and what an alias shall point to."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.schemas.comparison import AgainstChampion
from service.predict.shadow import Shadow
from service.store.aliases import Targets
from service.store.engine import Row, moment


class ShadowView(BaseModel):
    """A version that is asked along, and how it did in the API process that tells this, since that began."""

    version: int = Field(examples=[5])
    compared: int = Field(
        default=0, description="Images that both have read, since the alias points to these versions."
    )
    agreed: int = Field(default=0, description="Images in which both have read the same.")
    left_out: int = Field(
        default=0,
        description="Images that it was not asked, because too many were waiting, or it is not loaded.",
    )


class AliasView(BaseModel):
    """A name for versions that may be moved to others; `champion` answers for its model."""

    alias: str = Field(examples=["champion"])
    versions: dict[str, float] = Field(
        description="Number of a version -> its share of the requests.", examples=[{"3": 1.0}]
    )
    shadow: ShadowView | None = Field(description="The version that is asked along, and answers nobody.")
    revision: int = Field(description="Grows with every move; the ETag of the alias.", examples=[3])
    changed_at: datetime
    refused: str | None = Field(
        default=None,
        description="Why the API process that answers this goes on with what the alias pointed to before; only in the "
        "view of one alias.",
    )

    @classmethod
    def of(cls, row: Row, *, refused: str | None = None, shadow: Shadow | None = None) -> "AliasView":
        """Show a row of the table `aliases`, and how its shadow did."""
        shown = None
        if (version := row.targets.get("shadow")) is not None:
            shown = ShadowView(version=version)
            if shadow is not None and shadow.version == version:
                shown = ShadowView(
                    version=version, compared=shadow.compared, agreed=shadow.agreed, left_out=shadow.left_out
                )
        return cls(
            alias=row.alias,
            versions=row.targets["versions"],
            shadow=shown,
            revision=row.revision,
            changed_at=moment(row.changed_at),
            refused=refused,
        )


class MoveView(BaseModel):
    """One move of an alias."""

    alias: str = Field(examples=["champion"])
    revision: int = Field(description="The alias's revision after it.", examples=[3])
    before: dict[str, float] | None = Field(description="Versions and shares; `null` where the alias was made.")
    after: dict[str, float] | None = Field(description="Versions and shares; `null` where the alias was deleted.")
    shadow: int | None = Field(description="The version that was asked along after it.")
    why: Literal["always", "if_better", "set", "rolled_back", "deleted", "migration"] = Field(
        description="`always` and `if_better`: a job succeeded whose spec says so."
    )
    moved_at: datetime

    @classmethod
    def of(cls, row: Row) -> "MoveView":
        """Show a row of the table `moves`."""
        return cls(
            alias=row.alias,
            revision=row.revision,
            before=row.before and row.before["versions"],
            after=row.after and row.after["versions"],
            shadow=row.after and row.after.get("shadow"),
            why=row.why,
            moved_at=moment(row.moved_at),
        )


class DecisionView(BaseModel):
    """What was decided on a new version: whether it was promoted, why not, and what was measured for that."""

    version: int = Field(description="May have been deleted since.", examples=[4])
    job_id: str | None = Field(description="The job that made it; none of an ensemble.")
    promoted: bool
    not_promoted_because: str | None = Field(
        examples=["its accuracy on 360 examples (validation of letters/2), 0.9500, is below promote_min_value, 0.96"]
    )
    comparison: AgainstChampion | None = Field(description="None where nothing depended on it.")
    decided_at: datetime

    @classmethod
    def of(cls, row: Row) -> "DecisionView":
        """Show a row of the table `decisions`."""
        return cls(
            version=row.version,
            job_id=row.job_id,
            promoted=row.promoted,
            not_promoted_because=row.because,
            comparison=row.comparison,
            decided_at=moment(row.decided_at),
        )


class History(BaseModel):
    """The moves of a model's aliases, and what was decided on its versions, each the newest first."""

    data: list[MoveView]
    decisions: list[DecisionView] = Field(
        description="Every version that was made: whether it was promoted, and if not, why."
    )


Number = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


Weight = Annotated[float, Field(gt=0, le=1e9)]
"""Bounded, so that no sum of weights is infinite, of which every share would be 0."""


class Pointing(BaseModel):
    """What an alias shall point to: one version, or two or more with the share of requests that each answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Number | None = Field(default=None, description="The version that answers.", examples=[3])
    versions: dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")], Weight] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Number of a version -> its share of the requests, as a weight: each request is answered by one of "
        "them, drawn at random.",
        examples=[{"3": 0.9, "4": 0.1}],
    )

    shadow: Number | None = Field(
        default=None,
        description="A version that is asked along and answers nobody; how often it agrees is counted.",
        examples=[5],
    )

    @model_validator(mode="after")
    def _is_one(self) -> "Pointing":
        if (self.version is None) == (self.versions is None):
            raise ValueError("give exactly one of version and versions")
        if self.shadow is not None and str(self.shadow) in self._weights:
            raise ValueError("shadow answers already; give another version")
        return self

    @property
    def _weights(self) -> dict[str, float]:
        return {str(self.version): 1.0} if self.versions is None else self.versions

    @property
    def targets(self) -> Targets:
        """What the store keeps of it: shares that add up to 1."""
        total = sum(self._weights.values())
        shares = {number: weight / total for number, weight in sorted(self._weights.items())}
        return {"versions": shares} | ({} if self.shadow is None else {"shadow": self.shadow})
