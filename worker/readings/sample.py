"""A picture of what was read: some examples, or of a table each column by class."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.data.schema import read as schema_of
from models.data.stored import BEFORE, Stored, is_array

_logger = logging.getLogger(__name__)


def draw(folder: Path, request: Mapping[str, Any], found: Mapping[str, Any], name: str) -> bytes | None:
    """Draw the examples that a reading has left in its folder; None where they cannot be drawn."""
    # Imported late: Matplotlib takes a second, and a worker that reads nothing needs none of it.
    from worker.plots.contact_sheet import look

    paths = {file.name: file for file in folder.iterdir() if is_array(file.name)}
    paths |= {file: Path(request["base"]["files"][file]) for file in found["shared"]}
    stored = Stored(tuple(paths.items()) or ((BEFORE, Path(request["table"])),), schema_of(found["schema"]))
    try:
        return look(stored.load(), name)
    except Exception:  # the data set is as good without its picture
        _logger.warning("no picture of data set %s can be drawn", name, exc_info=True)
        return None
