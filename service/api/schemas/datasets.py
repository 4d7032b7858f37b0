"""Shapes on the wire: data sets and their versions."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.edge.links import links
from service.store.data_states import DataState
from service.store.engine import Row, moment


class DatasetDescription(BaseModel):
    """What a worker found in a data set."""

    examples: int = Field(examples=[60_000])
    test_examples: int | None = Field(
        default=None,
        description="Of a test part, on which a network is measured once. Those of a file are counted in `examples`, "
        "those of what is built in are not. None where there is no test part.",
        examples=[10_000],
    )
    image_shape: list[int] | None = Field(description="None of a table.", examples=[[28, 28]])
    class_counts: list[int] = Field(description="Examples of each class, in the order of `classes`.")
    mean: float | None = Field(description="Mean of all pixels, on the scale of `schema`.", examples=[33.32])
    deviation: float | None = Field(description="Standard deviation of all pixels.", examples=[78.57])
    sha256: str = Field(description="Digest of the examples.")


class Dataset(BaseModel):
    """A data set: how its newest version stands, and what the newest that is ready holds."""

    name: str = Field(examples=["mnist"])
    source: Literal["builtin", "upload"]
    state: Literal["unknown", DataState] = Field(
        description="Of its newest version. `unknown`: nobody has asked for it yet. `reading`: a worker reads it."
    )
    newest: int | None = Field(description="Number of its newest version.", examples=[3])
    ready: str | None = Field(
        description="Its newest version that is ready: what a job learns from that names the data set alone, and what "
        "`kind`, `classes` and `description` are of. `state` and `error` are of the newest, which may be another.",
        examples=["letters/2"],
    )
    kind: Literal["images", "table"] | None
    classes: list[str] | None = Field(description="Names of the classes, in the order that they have everywhere.")
    description: DatasetDescription | None
    error: str | None = Field(description="Why it could not be read.")
    links: dict[str, str]

    @classmethod
    def of(cls, name: str, row: Row | None, ready: Row | None) -> Self:
        """Show a data set by its newest version; a built-in one that nobody has asked for yet has none.

        `ready` is the newest that is ready.
        """
        path = f"/datasets/{name}"
        lead = {"self": path, "samples": f"{path}/samples.png", "versions": f"{path}/versions"}
        if row is None:
            empty: dict[str, Any] = dict.fromkeys(("newest", "ready", "kind", "classes", "description", "error"))
            return cls(name=name, source="builtin", state="unknown", links=links(lead), **empty)
        held = {} if ready is None else {"ready": f"{path}/versions/{ready.version}"}
        return cls(
            name=name,
            source=row.source,
            state=row.state,
            newest=row.version,
            ready=None if ready is None else f"{name}/{ready.version}",
            kind=None if ready is None else ready.kind,
            classes=None if ready is None or ready.schema is None else ready.schema["classes"],
            description=DatasetDescription(**ready.description) if ready is not None and ready.description else None,
            error=why(row),
            links=links(lead | {"newest": f"{path}/versions/{row.version}"} | held),
        )


class DatasetList(BaseModel):
    """The data sets."""

    data: list[Dataset]


class Progress(BaseModel):
    """How far a reading has come."""

    bytes: int = Field(examples=[1_048_576])
    bytes_total: int | None = Field(description="Unknown of what is built in.", examples=[18_289_443])
    rows: int = Field(description="Examples so far.", examples=[600])
    phase: Literal["waiting", "reading", "examining"] | None = Field(
        description="`waiting` for a worker; `reading`: more of the file is to come; `examining`: all bytes are read, "
        "and what they hold is looked at. None once it has ended."
    )

    @classmethod
    def of(cls, row: Row) -> Self:
        """Tell how far the reading of a version has come."""
        said = dict(row.progress)
        phase: Literal["waiting", "reading", "examining"] | None = None
        if row.state == "reading":
            is_through = bool(said["bytes_total"]) and said["bytes"] >= said["bytes_total"]
            phase = "waiting" if row.owner is None else "examining" if is_through else "reading"
        return cls(**said, phase=phase)


class SentFile(BaseModel):
    """A file as it was sent."""

    name: str | None = Field(description="What its sender called it, if that is known.", examples=["letters.csv"])
    size: int = Field(description="Bytes.", examples=[18_289_443])
    sha256: str


class ReadingFault(BaseModel):
    """What keeps a file from being read."""

    where: str = Field(description="Line, row, column or member.", examples=["line 17"])
    detail: str
    remedy: str


class DataVersion(BaseModel):
    """A version of a data set; once it is ready it never changes."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: str = Field(examples=["letters"])
    version: int = Field(examples=[3])
    state: DataState
    kind: Literal["images", "table"] | None
    source: Literal["builtin", "upload"]
    created_at: datetime
    form: dict[str, Any] | None = Field(
        alias="schema", description="What its examples are: pictures of one form, or columns; and the classes."
    )
    reading: dict[str, Any] | None = Field(
        description="What the file was taken for and why, and what was left out, dropped and noticed. None of what is "
        "built in, or was uploaded before there were readings."
    )
    progress: Progress
    examples: int | None = Field(examples=[600])
    appended_to: str | None = Field(
        default=None, description="The version whose examples come before those of its file.", examples=["letters/2"]
    )
    added: int | None = Field(default=None, description="How many examples its file added to those.", examples=[60])
    description: DatasetDescription | None
    sha256: str | None = Field(description="Digest of the examples: what a network that learned from them knows.")
    file: SentFile | None = Field(description="None of what is built in, or was uploaded before files were kept.")
    options: dict[str, Any] = Field(description="What was said about the file, for this version or one before.")
    faults: list[ReadingFault] = Field(description="Why it could not be read.")
    links: dict[str, str]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show a version."""
        path = f"/datasets/{row.dataset}/versions/{row.version}"
        lead = {"self": path, "dataset": f"/datasets/{row.dataset}"}
        is_kept = row.source == "upload"  # what is built in is kept where it was found
        parts = ["reading", "models", "events", *(["rows"] if is_kept else [])]
        parts += ["file"] if row.file_sha256 is not None else []
        lead |= {part: f"{path}/{part}" for part in parts} | {"samples": f"{path}/samples.png"}
        if row.state == "reading":
            lead["cancel"] = f"{path}/cancel"
        sent = None
        if row.file_sha256 is not None:
            sent = SentFile(name=row.file_name, size=row.file_size, sha256=row.file_sha256)
        return cls(
            name=row.dataset,
            version=row.version,
            state=row.state,
            kind=row.kind,
            source=row.source,
            created_at=moment(row.created_at),
            schema=row.schema,
            reading=row.reading,
            progress=Progress.of(row),
            examples=row.examples,
            appended_to=None if row.appended_to is None else f"{row.dataset}/{row.appended_to}",
            added=row.added,
            description=DatasetDescription(**row.description) if row.description else None,
            sha256=row.sha256,
            file=sent,
            options=row.options,
            faults=[ReadingFault(**fault) for fault in row.faults],
            links=links(lead),
        )


class DataVersionPage(BaseModel):
    """Some versions of a data set, the newest first."""

    data: list[DataVersion]
    has_more: bool
    next: str | None = Field(description="Where the page after this one is.")


def why(row: Row) -> str | None:
    """Say why a version could not be read, in one sentence; None where nothing is wrong with it."""
    if not row.faults or row.state in {"reading", "ready"}:
        return None
    first = row.faults[0]
    more = f" (and {len(row.faults) - 1} more)" if len(row.faults) > 1 else ""
    return f"{first['where']}: {first['detail']}; {first['remedy']}{more}"
