"""What commands share: settings from the line and the environment, the record that is there, and what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from service.processes import logs
from service.processes.supervisor import StartError
from service.settings import Settings
from service.start import lock

if TYPE_CHECKING:
    from service.artifacts import Artifacts
    from service.store.store import Store

Home = Annotated[str | None, typer.Option(help="Folder of all state.", show_default=".tenfold")]


def settings_of(**given: Any) -> Settings:
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
def record(home: str | None) -> Iterator[tuple["Store", "Artifacts"]]:
    """Open the record that is there; none is made by whoever only wants to look."""
    # Imported late: whoever only starts programs has them started sooner.
    from service.artifacts import Artifacts
    from service.store.engine import Database, DatabaseError, cause
    from service.store.shared_columns import EVERYONE
    from service.store.store import Store

    settings = settings_of(home=home)
    with explained():
        try:
            if not Database.is_there(settings.database_url):
                raise StartError(
                    f"there is nothing here: no database of Tenfold for the home {lock.shown(settings.home)}; say with "
                    f"--home or TENFOLD_HOME (or TENFOLD_DATABASE_URL) where `tenfold up` keeps its state"
                )
            store = Store.open(settings).of(EVERYONE)
        except (DatabaseError, ValueError, OSError) as error:
            raise StartError(f"the database of {lock.shown(settings.home)} cannot be read: {cause(error)}") from None
    try:
        yield store, Artifacts(settings.artifacts)
    finally:
        store.database.close()


@contextmanager
def explained() -> Iterator[None]:
    """Tell what kept the programs from starting, instead of where in the code it was noticed."""
    try:
        yield
    except StartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextmanager
def told() -> Iterator[None]:
    """Tell what is not as it should be, and go on."""
    try:
        yield
    except StartError as error:
        typer.echo(str(error), err=True)
