"""Requests that a machine makes up from the served document, for as long as one likes: python -m tests.fuzz."""

from pathlib import Path

CONFIG = Path(__file__).with_name("schemathesis.toml")
"""What is asked of every answer."""
