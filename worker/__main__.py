"""`python -m worker` is Celery's command line, for a worker whose training processes begin to load before it does."""

import sys

from worker import launch


def main() -> None:
    """Start the server of forks, and then what was asked for."""
    if launch.FORKS:
        launch.server()
    from celery.__main__ import main as celery

    sys.argv[0] = "celery"
    celery()


if __name__ == "__main__":
    main()
