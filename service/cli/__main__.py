"""`python -m service.cli` is `tenfold`, whatever is on the PATH."""

from service.cli.main import app

app()
