"""The command line: `tenfold up` starts everything, `tenfold api` and `tenfold worker` only their programs."""

import json
import subprocess
import sys
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import accounts, api_keys
from service.cli.shared import Home, explained, record, settings_of, told
from service.processes import programs
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
Force = Annotated[bool, typer.Option("--force", help="Also files that look like another record's.")]
Workers = Annotated[int | None, typer.Option(help="Training processes.", show_default="as many as the cores allow")]


app.add_typer(api_keys.app, name="keys")
app.add_typer(accounts.app, name="accounts")


@app.callback()
def main() -> None:
    """Train small classifiers of tables and pictures over HTTP, follow them live, and serve what they learned."""
    variables.leave_out()
    for line in variables.misspelt():
        typer.echo(line, err=True)


@app.command()
def up(host: Host = None, port: Port = None, home: Home = None, workers: Workers = None) -> None:
    """Start broker, workers and API on this machine, and keep them alive until Ctrl-C."""
    settings = settings_of(host=host, port=port, home=home, workers=workers)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": free_port()})
    with explained():
        lock.assert_free(settings.home)  # before the port, which the same program has, as a rule
        checks.require_free(settings.host, settings.port)
    with explained(), lock.held(settings.home):
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
    everything += programs.in_order(settings, before_api=partial(_open_record, settings))
    logs = settings.home / "logs"
    typer.echo(f"Starting {settings.workers} training process(es); logs in {lock.shown(logs)}")
    with Supervisor(everything, logs) as supervisor:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{name}:{settings.port}"
        typer.echo(f"Tenfold is ready: {address}\nDocumentation:    {address}/docs\nStop it with Ctrl-C.")
        supervisor.watch()


def _open_record(settings: Settings) -> None:
    """See to what the API finds when it starts: a database that works, and a key where keys are asked for."""
    # Imported late: training processes begin to load before the database is looked at.
    from service.start.first_key import make_first_key

    checks.require_database(settings)
    make_first_key(settings, typer.echo)


@app.command()
def api(host: Host = None, port: Port = None, home: Home = None) -> None:
    """Run the API alone."""
    from service.api import server

    settings = settings_of(host=host, port=port, home=home)
    with explained():
        checks.require_free(settings.host, settings.port)
        lock.try_out(settings.home)
        homes.open_home(settings)
        _open_record(settings)
    # It answers without a broker too.
    with told():
        checks.require_broker(settings, seconds=0)
    server.run(settings)


@app.command()
def worker(home: Home = None, workers: Workers = None) -> None:
    """Run the workers alone: the training processes, one for drawing, and one that reads data sets."""
    settings = settings_of(home=home, workers=workers)
    with explained():
        lock.try_out(settings.home)
        homes.open_home(settings)
        checks.require_device(settings)
    # Workers wait for both.
    with told():
        checks.require_database(settings)
    with told():
        checks.require_broker(settings)
    with explained(), Supervisor(programs.workers(settings), log_folder=None) as supervisor:
        supervisor.watch()


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("demo"),
    workers: Workers = 1,
) -> None:
    """Train the study's first network through the service, and let it read digits that it never saw."""
    from service.cli.demo import run
    from service.client import TenfoldError

    settings = settings_of(workers=workers)
    with explained():
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
        for kind, line in read_with(onnx.read_bytes(), files):
            typer.echo(line, err=kind != "answer")
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
    with record(home) as (store, artifacts):
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
    with record(home) as (store, artifacts):
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


def _require_own(store: "Store", artifacts: "Artifacts", *, force: bool) -> None:
    """Remove nothing where the record is perhaps another than that of the files, unless that is wished."""
    from service.cli.doctor import why_another_s

    with explained():
        if not force and (why := why_another_s(store, artifacts)) is not None:
            raise StartError(why)
