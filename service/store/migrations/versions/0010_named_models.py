"""What was asked for when a spec that names no model meant `default`, and promoted always, goes on to mean that."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_MEANT = {"model": "default", "promote": "always"}


def upgrade() -> None:
    """Apply the change."""
    connection = op.get_bind()
    # Specs from before there were versions; all later ones say both.
    for table, key in (("jobs", ("number",)), ("versions", ("model", "version"))):
        rows = sa.table(table, *(sa.column(name) for name in key), sa.column("spec", sa.JSON()))
        silent = sa.select(rows).where(rows.c.spec["model"].as_string().is_(None))
        for row in connection.execute(silent).all():
            this = sa.and_(*(rows.c[name] == getattr(row, name) for name in key))
            connection.execute(sa.update(rows).where(this).values(spec={**row.spec, **_MEANT}))
    # A sweep that learns from its trials makes more of them: they belong beside the first.
    sweeps = sa.table("sweeps", sa.column("number"), sa.column("spec", sa.JSON()))
    for row in connection.execute(sa.select(sweeps)).all():
        spec = row.spec
        named = {*spec.get("base", {}), *((spec.get("tpe") or {}).get("ranges", {}))}
        if spec.get("tpe") is not None and "model" not in named:
            base = {**spec.get("base", {}), "model": _MEANT["model"]}
            connection.execute(
                sa.update(sweeps).where(sweeps.c.number == row.number).values(spec={**spec, "base": base})
            )
