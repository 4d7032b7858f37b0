"""`tenfold keys`: made, listed and revoked on the machine that has the record, without a running service."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from service.access.scopes import SCOPES, Scope
from service.cli.shared import Home, record
from service.store.account_errors import NoSuchAccount

if TYPE_CHECKING:
    from service.store.engine import Row

app = typer.Typer(no_args_is_help=True, help="Keys that requests must show where TENFOLD_AUTH says so.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called in lists.")],
    scopes: Annotated[str, typer.Option(help=f"What it is for, of {', '.join(SCOPES)}; by commas, or `all`.")],
    account: Annotated[str, typer.Option(help="Whose it is.")] = "default",
    days: Annotated[float | None, typer.Option(min=0, max=36_500, help="After how many days it ends.")] = None,
    home: Home = None,
) -> None:
    """Make a key. It is printed this once: only a digest of it is kept."""
    asked = _scopes(scopes)
    with record(home) as (store, _):
        try:
            row, text = store.api_keys.add(account, name, asked, days=days)
        except NoSuchAccount:
            typer.echo(f"there is no account {account!r}; `tenfold accounts list` lists them", err=True)
            raise typer.Exit(1) from None
    typer.echo(text)
    typer.echo(f"{row.id} of {account}, for {', '.join(asked)}; it is not shown again", err=True)


def _scopes(given: str) -> list[Scope]:
    named = {part.strip() for part in given.split(",") if part.strip()}
    if named == {"all"}:
        return list(SCOPES)
    if not named or (strange := named - set(SCOPES)):
        wrong = f"{min(strange)!r} is no scope" if named else "say what it is for"
        typer.echo(f"--scopes: {wrong}; write some of {', '.join(SCOPES)}, or all", err=True)
        raise typer.Exit(2)
    return [scope for scope in SCOPES if scope in named]


@app.command(name="list")
def list_keys(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None, home: Home = None
) -> None:
    """List keys, the newest first: those too that are not good any more."""
    with record(home) as (store, _):
        for row in store.api_keys.all(account):
            typer.echo(f"{row.id} {row.account} {row.name!r} {','.join(row.scopes)} {_state(row)}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `tenfold keys list` shows it.")], home: Home = None) -> None:
    """Revoke a key, for good: within a second it opens nothing any more."""
    with record(home) as (store, _):
        if not store.api_keys.revoke(key_id):
            typer.echo(f"there is no key {key_id}; `tenfold keys list` lists them", err=True)
            raise typer.Exit(1)


def _state(row: "Row") -> str:
    if row.revoked_at is not None:
        return f"revoked {_day(row.revoked_at)}"
    ends = "" if row.expires_at is None else f", ends {_day(row.expires_at)}"
    return ("never used" if row.used_at is None else f"used {_day(row.used_at)}") + ends


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
