"""Faults thrown at the running service, and what must hold afterwards whatever happened: `python -m tests.chaos`."""
