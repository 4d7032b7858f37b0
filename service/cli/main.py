"""The command line: `tenfold up` starts everything, `tenfold api` and `tenfold worker` only their programs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from service.processes import logs, programs
from service.processes.supervisor import StartError, Supervisor, free_port
from service.settings import Settings
from service.start import checks, lock, variables
from service.start import home as homes

if TYPE_CHECKING:
    from service.artifacts import Artifacts
    from service.store.store import Store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8000")]
Home = Annotated[str | None, typer.Option(help="Folder of all state.", show_default=".tenfold")]
Force = Annotated[bool, typer.Option("--force", help="Also files that look like another record's.")]
Workers = Annotated[int | None, typer.Option(help="Training processes.", show_default="as many as the cores allow")]


@app.callback()
def main() -> None:
    """Train small classifiers of tables and pictures over HTTP, follow them live, and serve what they learned."""
    variables.leave_out()
    for told in variables.misspelt():
        typer.echo(told, err=True)


@app.command()
def up(host: Host = None, port: Port = None, home: Home = None, workers: Workers = None) -> None:
    """Start broker, workers and API on this machine, and keep them alive until Ctrl-C."""
    settings = _settings(host=host, port=port, home=home, workers=workers)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": free_port()})
    with _explained():
        lock.assert_free(settings.home)  # before the port, which the same program has, as a rule
        checks.require_free(settings.host, settings.port)
    with _explained(), lock.held(settings.home):
        homes.open_home(settings)
        checks.require_device(settings)
        if "broker_url" in settings.model_fields_set:
            checks.require_broker(settings)
        _keep_alive(settings)


def _keep_alive(settings: Settings) -> None:
    everything = []
    if "broker_url" not in settings.model_fields_set:
        broker_port = free_port()
        settings = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{broker_port}/0"})
        everything.append(programs.broker(settings, broker_port))
    everything += programs.in_order(settings, before_api=partial(checks.require_database, settings))
    logs = settings.home / "logs"
    typer.echo(f"Starting {settings.workers} training process(es); logs in {lock.shown(logs)}")
    with Supervisor(everything, logs) as supervisor:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{name}:{settings.port}"
        typer.echo(f"Tenfold is ready: {address}\nDocumentation:    {address}/docs\nStop it with Ctrl-C.")
        supervisor.watch()


@app.command()
def api(host: Host = None, port: Port = None, home: Home = None) -> None:
    """Run the API alone."""
    from service.api import server

    settings = _settings(host=host, port=port, home=home)
    with _explained():
        checks.require_free(settings.host, settings.port)
        lock.try_out(settings.home)
        homes.open_home(settings)
        checks.require_database(settings)
    # It answers without a broker too.
    with _told():
        checks.require_broker(settings, seconds=0)
    server.run(settings)


@app.command()
def worker(home: Home = None, workers: Workers = None) -> None:
    """Run the workers alone: the training processes, one for drawing, and one that reads data sets."""
    settings = _settings(home=home, workers=workers)
    with _explained():
        lock.try_out(settings.home)
        homes.open_home(settings)
        checks.require_device(settings)
    # Workers wait for both.
    with _told():
        checks.require_database(settings)
    with _told():
        checks.require_broker(settings)
    with _explained(), Supervisor(programs.workers(settings), log_folder=None) as supervisor:
        supervisor.watch()


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("demo"),
    workers: Workers = 1,
) -> None:
    """Train the study's first network through the service, and let it read digits that it never saw."""
    from service.cli.demo import run
    from service.client import TenfoldError

    settings = _settings(workers=workers)
    with _explained():
        checks.require_device(settings)
        try:
            run(settings, folder)
        except TenfoldError as error:
            raise StartError(str(error)) from None


@app.command()
def predict(
    onnx: Annotated[Path, typer.Option(help="A version as ONNX: /models/<name>/versions/<number>/export.onnx.")],
    files: Annotated[list[Path], typer.Argument(help="Pictures, or CSV files of rows with the columns' names.")],
) -> None:
    """Read pictures or rows of a table with an exported network, by ONNX Runtime: without a service, and without torch.

    What cannot be read is told, and the others are read; the exit code is 1 then. Answers alone are printed to the
    standard output.
    """
    from service.cli.by_onnx import read_with

    went_well = True
    try:
        for kind, told in read_with(onnx.read_bytes(), files):
            typer.echo(told, err=kind != "answer")
            went_well = went_well and kind != "fault"
    except (OSError, ValueError) as error:
        typer.echo(f"{onnx}: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if went_well else 1)


@app.command()
def tune() -> None:
    """Measure how many networks this machine had best train together, and in how many processes and threads."""
    # A program of its own: what measures needs torch, which nothing here loads.
    raise typer.Exit(subprocess.run([sys.executable, "-m", "worker.tune"], check=False).returncode)


@app.command()
def doctor(
    home: Home = None,
    mend: Annotated[bool, typer.Option(help="Remove orphans, and pictures that can be drawn again.")] = False,
    force: Force = False,
) -> None:
    """Read every stored file and compare it with the record; exit with 1 if something is not as it should be."""
    from service.cli.doctor import examine
    from service.cli.doctor import mend as mend_one

    left = 0
    with _record(home) as (store, artifacts):
        if mend:
            _require_own(store, artifacts, force=force)
        for finding in examine(store, artifacts):
            mended = mend and finding.is_mendable
            if mended:
                mend_one(finding, store, artifacts)
            left += not mended
            typer.echo(
                f"{finding.kind:8} {finding.key} ({finding.size:,} bytes): {'mended' if mended else finding.remedy}"
            )
        typer.echo(f"{len(store.files.all()):,} files on record; {left} not as they should be")
    raise typer.Exit(1 if left else 0)


@app.command()
def gc(
    home: Home = None,
    days: Annotated[
        float, typer.Option(min=0, max=36_500, help="Jobs that ended more than so many days ago may go.")
    ] = 30.0,
    last: Annotated[int, typer.Option(min=0, help="The jobs that ended last stay, however old.")] = 100,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without this nothing is.")] = False,
    force: Force = False,
) -> None:
    """Tell which jobs may go, and delete them with --apply; jobs with the label `keep`, and sweeps, stay.

    With --apply files to which nothing points go as well, and what the database needs no more is the disk's again.
    """
    from service.cli.doctor import mend, orphans
    from service.cli.gc import collect, collectable, give_back

    gone = 0
    with _record(home) as (store, artifacts):
        if apply:  # before any job goes, whose files another record may know as well
            _require_own(store, artifacts, force=force)
        for job in collectable(store, days=days, last=last):
            gone += not apply or collect(job, store, artifacts)
            typer.echo(f"{job.id} {job.state} {job.name or ''}")
        for finding in orphans(store, artifacts):
            if apply:
                mend(finding, store, artifacts)
            typer.echo(f"{finding.kind} {finding.key} ({finding.size:,} bytes)")
        if apply:
            typer.echo(give_back(store, artifacts))
    typer.echo(f"{gone} job(s) deleted" if apply else f"{gone} job(s) would be deleted; --apply does it")


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    from service.api.app import create_app

    typer.echo(json.dumps(create_app(Settings()).openapi(), indent=2))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"tenfold {version_of('tenfold')}")


def _settings(**given: Any) -> Settings:
    """Take the settings from the environment, and what was said on the command line before them."""
    logs.set_up()
    try:
        # An option that is empty is none, as an empty variable: `--home "$NOWHERE"`.
        return Settings(**{name: value for name, value in given.items() if value not in (None, "")})
    except ValidationError as error:
        for fault in error.errors():
            if fault["type"] == "default_factory_not_called":  # it follows from another, which is told
                continue
            # Of a list only the setting is named; a rule about several settings names them in its words.
            name = f"TENFOLD_{fault['loc'][0]}: ".upper() if fault["loc"] else ""
            typer.echo(f"{name}{fault['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from None


@contextmanager
def _record(home: str | None) -> Iterator[tuple["Store", "Artifacts"]]:
    """Open the record that is there; none is made by whoever only wants to look."""
    from service.artifacts import Artifacts
    from service.store.engine import Database, DatabaseError, cause
    from service.store.store import Store

    settings = _settings(home=home)
    with _explained():
        try:
            if not Database.is_there(settings.database_url):
                raise StartError(
                    f"there is nothing here: no database of Tenfold for the home {lock.shown(settings.home)}; say with "
                    f"--home or TENFOLD_HOME (or TENFOLD_DATABASE_URL) where `tenfold up` keeps its state"
                )
            store = Store.open(settings)
        except (DatabaseError, ValueError, OSError) as error:
            raise StartError(f"the database of {lock.shown(settings.home)} cannot be read: {cause(error)}") from None
    try:
        yield store, Artifacts(settings.artifacts)
    finally:
        store.database.close()


def _require_own(store: "Store", artifacts: "Artifacts", *, force: bool) -> None:
    """Remove nothing where the record is perhaps another than that of the files, unless that is wished."""
    from service.cli.doctor import why_another_s

    with _explained():
        if not force and (why := why_another_s(store, artifacts)) is not None:
            raise StartError(why)


@contextmanager
def _explained() -> Iterator[None]:
    """Tell what kept the programs from starting, instead of where in the code it was noticed."""
    try:
        yield
    except StartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextmanager
def _told() -> Iterator[None]:
    """Tell what is not as it should be, and go on."""
    try:
        yield
    except StartError as error:
        typer.echo(str(error), err=True)
