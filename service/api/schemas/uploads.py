"""Shapes on the wire: uploads that go on after a cut."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from service.edge.links import links
from service.store.engine import Row, moment


class UploadView(BaseModel):
    """A file that comes in several requests."""

    id: str = Field(examples=["0b9f6c1e-2f0a-4c39-9b1e-6d1c0a7f3d52"])
    state: Literal["open", "whole"] = Field(description="`whole`: `POST /datasets?name=&upload=` may use it.")
    offset: int = Field(description="Bytes that are safe; the next request goes on from here.", examples=[1_048_576])
    length: int | None = Field(description="Bytes of the whole file; none while that is not said.")
    name: str | None = Field(description="What its sender calls the file.", examples=["letters.zip"])
    created_at: datetime
    expires_at: datetime = Field(description="When it is gone, unless more of it comes before.")
    links: dict[str, str]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show an upload."""
        return cls(
            id=row.id,
            state="whole" if row.received == row.length else "open",
            offset=row.received,
            length=row.length,
            name=row.name,
            created_at=moment(row.created_at),
            expires_at=moment(row.expires_at),
            links=links({"self": f"/uploads/{row.id}", "datasets": "/datasets"}),
        )


class UploadPage(BaseModel):
    """Some uploads, the newest first, and what all of them take."""

    data: list[UploadView]
    open: int = Field(description="Uploads that are not used yet.", examples=[3])
    most: int = Field(description="As many may be: `TENFOLD_OPEN_UPLOADS`.", examples=[100])
    bytes: int = Field(description="Bytes of these on the disk.", examples=[18_289_443])
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.")
