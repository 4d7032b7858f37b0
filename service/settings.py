"""Every environment variable, once. Built at start-up and passed down; nothing else reads the environment."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service import cores
from service.addresses import hosts, origins, proxies, receivers, urls


def _whole(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{str(path)!a} is no name in UTF-8; databases could not be found by it") from None
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"{str(path)!r} names the home of somebody who is not known here") from None
    except FileNotFoundError:
        raise ValueError(f"{str(path)!r} begins in the folder that this is called from, which is gone") from None


# Each part as it may be called.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|/[1-9][0-9]{0,8})?")


def _reference(given: str) -> str:
    if not _REFERENCE.fullmatch(given):
        raise ValueError(f"{given!a} names no model; write its name, name@alias, or name/3 for its version 3")
    return given


AbsolutePath = Annotated[Path, AfterValidator(_whole)]
_BY_COMMAS = BeforeValidator(
    lambda value: [one for one in value.split(",") if one.strip()] if isinstance(value, str) else value
)
Hosts = Annotated[tuple[Annotated[str, AfterValidator(hosts.allowed)], ...], NoDecode, _BY_COMMAS, Field(min_length=1)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(origins.allowed)], ...], NoDecode, _BY_COMMAS]
Networks = Annotated[tuple[Annotated[str, AfterValidator(proxies.trusted)], ...], NoDecode, _BY_COMMAS]
Reachable = Annotated[tuple[Annotated[str, AfterValidator(receivers.network)], ...], NoDecode, _BY_COMMAS]
Seconds = Annotated[float, Field(le=86_400, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Settings of all programs; each is read from the environment variable TENFOLD_<NAME>, unless that is empty."""

    model_config = SettingsConfigDict(env_prefix="TENFOLD_", frozen=True, extra="ignore")

    home: AbsolutePath = Field(
        default=Path(".tenfold"),
        validate_default=True,
        description="Folder of all state: database, files, logs, broker.",
    )
    data: AbsolutePath = Field(
        default_factory=lambda known: known["home"] / "data",
        description="Folder where the data sets lie or are downloaded to; default `<home>/data`.",
    )
    database_url: Annotated[str, AfterValidator(urls.of_database)] = Field(
        default_factory=lambda known: urls.of_file(known["home"] / "tenfold.sqlite3"),
        description="SQLAlchemy URL, SQLite or PostgreSQL; default a SQLite file in `<home>`.",
    )
    broker_url: Annotated[str, AfterValidator(urls.of_broker)] = Field(
        default="redis://127.0.0.1:6379/0",
        description="URL of the Redis or Valkey server; `tenfold up` starts one of its own unless this is set.",
    )

    disk_floor_bytes: int | None = Field(
        default=None,
        ge=0,
        description="What stays free on the disks of files and database: below it nothing more is taken in (507), and "
        "no job begins. Default 1 GiB, or 5 % of a smaller disk; 0: nothing.",
    )

    prepared_data_bytes: int = Field(
        default=4 * 2**30,
        ge=0,
        description="Most bytes of prepared data sets that are kept in `<home>/cache`, which may be deleted at any "
        "time, for the training processes to share; those used last stay. 0: none.",
    )

    host: Annotated[str, AfterValidator(hosts.listened_on)] = Field(
        default="127.0.0.1", description="Address on which the API listens."
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port on which the API listens; 0 picks a free one.")
    api_processes: int = Field(
        default=1, ge=1, le=64, description="Processes of the API, which share its port; one serves a core at most."
    )
    allowed_hosts: Hosts = Field(
        default=("localhost", "127.0.0.1", "[::1]"),
        description="Host names under which the API may be called, without ports, separated by commas, others are "
        "refused; `*.example.com` stands for all that end so, `*` for any.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Web sites whose pages may use the API from a browser, as `https://lab.example.com`, separated by "
        "commas.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies whose `X-Forwarded-*` is believed, separated by commas; see "
        "[proxy](proxy.md).",
    )
    root_path: Annotated[str, AfterValidator(proxies.root)] = Field(
        default="", description="Path under which a proxy shows the API, like `/ml`; links begin with it."
    )
    webhook_allow: Reachable = Field(
        default=(),
        description="Addresses or networks that webhooks may lead to beside the public internet, there by http and on "
        "any port too, separated by commas; see [webhooks](webhooks.md).",
    )
    auth: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether requests must show a key; `auto`: unless the API listens on the loopback alone. See "
        "[security](security.md).",
    )
    model_memory_bytes: int = Field(
        default=256 * 2**20,
        ge=1,
        description="Memory that one API process keeps loaded networks in, in bytes; those used last stay.",
    )
    default_model: Annotated[str, AfterValidator(_reference)] | None = Field(
        default=None,
        description="Who answers where a request names no model: `name`, `name@alias` or `name/3`. Default: the model "
        "`default`, or else the only one.",
    )
    max_upload_bytes: int = Field(default=2 * 2**30, ge=1, description="Largest file that may be uploaded, in bytes.")
    open_uploads: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Most uploads that may be open at a time: begun, and not yet used for a data set.",
    )
    upload_hours: float = Field(
        default=24.0,
        gt=0,
        le=8_760,
        allow_inf_nan=False,
        description="How long an upload stays after its last byte came; then it is gone, and its file with it.",
    )
    reading_memory_bytes: int = Field(
        default=2 * 2**30,
        ge=256 * 2**20,
        description="Memory that the reading of one data set may take, in bytes; a file that needs more is refused.",
    )
    max_wait_seconds: Seconds = Field(
        default=20.0, ge=0, description="How long a request waits for a picture to be made, or a file to be read."
    )

    threads: int = Field(
        default=1, ge=1, le=256, description="Threads of one training process. With one, equal jobs give equal bits."
    )
    workers: int = Field(
        default_factory=lambda known: max(1, cores.available() // known["threads"]),
        ge=1,
        le=256,
        description="Networks or groups trained at a time; default as many as the cores allow.",
    )
    group_size: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Most jobs of equal shape that are trained together; default 4.",
    )
    kernels: Literal["fastest", "reference"] = Field(
        default="fastest",
        description="What networks are multiplied by: `fastest` on this processor, or `reference`, by torch alone.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="What networks are trained on; `auto`: a GPU where there is one."
    )

    lease_seconds: Seconds = Field(
        default=15.0, gt=0, description="How long a worker owns a job without renewing; then another may take it."
    )
    heartbeat_seconds: Seconds = Field(
        default=5.0, gt=0, description="How often a worker renews its lease and says that it lives."
    )
    poll_seconds: Seconds = Field(default=0.1, gt=0, description="How often a training process asks whether to stop.")
    kill_after_seconds: Seconds = Field(
        default=30.0,
        gt=0,
        description="A training process that has not left a job so long after it was cancelled or paused is killed.",
    )
    reconcile_seconds: Seconds = Field(
        default=2.0, gt=0, description="How often expired leases and jobs that nobody heard of are looked for."
    )
    ring_again_seconds: Seconds = Field(
        default=3.0, ge=0, description="After how long a job that nobody heard of is announced again."
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        # As a composition has it that passes on what nobody has set: ${VARIABLE:-}.
        said = {name: value for name, value in values.items() if not isinstance(value, str) or value.strip()}
        # A file from Windows ends each line with a carriage return.
        return {name: value.strip() if isinstance(value, str) else value for name, value in said.items()}

    @model_validator(mode="after")
    def _leases_outlive_heartbeats(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError(
                "TENFOLD_HEARTBEAT_SECONDS must be at most half of TENFOLD_LEASE_SECONDS, or leases expire unasked"
            )
        # A lease counts as lost after two thirds of its time, and is renewed by who asks whether to stop.
        if self.heartbeat_seconds + self.poll_seconds > self.lease_seconds * 0.6:
            raise ValueError(
                "TENFOLD_HEARTBEAT_SECONDS and TENFOLD_POLL_SECONDS together must be at most 0.6 of "
                "TENFOLD_LEASE_SECONDS, or leases are lost before they are renewed"
            )
        return self

    def environment(self) -> dict[str, str]:
        """Give these settings as environment variables, for the programs that `tenfold up` starts."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            f"TENFOLD_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in values.items()
            if value is not None
        }

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests must show a key."""
        return self.auth == "on" or (self.auth == "auto" and not self.is_on_loopback)

    @property
    def is_on_loopback(self) -> bool:
        """Whether the API is heard on this machine alone."""
        return hosts.is_loopback(self.host)

    @property
    def artifacts(self) -> Path:
        """Give the folder of checkpoints, plots and uploaded data sets."""
        return self.home / "artifacts"

    @property
    def cache(self) -> Path:
        """Give the folder of what may be deleted at any time, and is then made again."""
        return self.home / "cache"
