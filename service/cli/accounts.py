"""`tenfold accounts`: who shares this machine, on the machine that has the record, without a running service."""

import json
from typing import Annotated

import typer
from pydantic import ValidationError

from service.access.account_limits import Limits
from service.access.scopes import SCOPES
from service.cli.shared import Home, record
from service.store.account_errors import NoSuchAccount

app = typer.Typer(no_args_is_help=True, help="Accounts: what is on record belongs to one, and each may be limited.")

_LIMITS = ("queued", "running", "stored_bytes", "bytes_a_day")
Name = Annotated[str, typer.Argument(help="What it is called: letters, digits and hyphens.")]


@app.command(name="list")
def list_accounts(home: Home = None) -> None:
    """List accounts with their weights, limits, and what they take now."""
    with record(home) as (store, _):
        for row in store.accounts.all():
            limits = json.dumps(row.limits) if row.limits else "no limits"
            used = ", ".join(f"{name} {count:,}" for name, count in store.accounts.usage(row.name).items())
            typer.echo(f"{row.name} weight {row.weight:g}; {limits}; has {used}")


@app.command()
def add(name: Name, home: Home = None) -> None:
    """Add an account."""
    from service.api.schemas.api_keys import is_account_name

    if not is_account_name(name):
        typer.echo(f"{name!r} is no name of an account; write letters in lower case, digits and hyphens", err=True)
        raise typer.Exit(2)
    with record(home) as (store, _):
        if not store.accounts.add(name):
            typer.echo(f"there is an account {name!r} already")


@app.command(name="set")
def set_limits(
    name: Name,
    limits: Annotated[list[str], typer.Argument(help="queued=100, running=2, predict=50 (a second); empty: none.")],
    home: Home = None,
) -> None:
    """Set an account's limits, or its weight; the others stay as they are."""
    from service.api.routes.accounts import AccountAsked, LimitsView

    with record(home) as (store, _):
        row = store.accounts.get(name)
        if row is None:
            typer.echo(f"there is no account {name!r}; `tenfold accounts list` lists them", err=True)
            raise typer.Exit(1)
        strange = sorted({said.partition("=")[0] for said in limits} - {"weight", *_LIMITS, *SCOPES})
        if strange:
            known = ", ".join(("weight", *_LIMITS, *SCOPES))
            typer.echo(f"{strange[0]!r} can not be limited; what can is {known}", err=True)
            raise typer.Exit(2)
        now = {**row.limits, "rates": dict(row.limits.get("rates", {}))}
        weight = None
        for said in limits:
            key, _, value = said.partition("=")
            if key == "weight":
                weight = value
            else:
                place = now if key in _LIMITS else now["rates"]
                place.pop(key, None)
                place.update({key: value} if value else {})
        try:
            asked = AccountAsked.model_validate({"weight": weight, "limits": now})
        except ValidationError as error:
            fault = error.errors()[0]
            typer.echo(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", err=True)
            raise typer.Exit(2) from None
        chosen: Limits = (asked.limits or LimitsView()).limits()
        try:
            store.accounts.change(name, limits=chosen, weight=asked.weight)
        except NoSuchAccount:
            raise typer.Exit(1) from None
