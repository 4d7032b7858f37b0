"""A .npy file that comes by itself, and what is wrong with an IDX file that does."""

from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from models.data.reading.arrays import array_examples, numpy_header
from models.data.reading.arrays.array import Array, Form, check_length, mapped, unpacked
from models.data.reading.arrays.unpacking import gunzipped
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Progress
from models.data.reading.told import Told

_WHERE = "file"


def read(
    file: Path, folder: Path, options: Options, told: Told, progress: Progress, *, compressed: bool, name: str | None
) -> Found:
    """Read the one array of a .npy file; raises UnreadableError where it holds no examples with labels."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        if compressed:
            values = _unpacked(opened, folder)
        else:
            form = numpy_header.read(opened, _WHERE)
            check_length(form, size - form.start, _WHERE)
            values = mapped(opened, form)
    told.taken_for |= {
        "format": "npy", "why": "its first bytes are those of a NumPy array",
        "compression": "gzip" if compressed else None,
    }  # fmt: skip
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    form = Form(values.dtype, values.shape)
    array = Array("array", _WHERE, form, lambda: values)
    return array_examples.of([array], folder, options, told, progress, size=size, name=name)


def _unpacked(opened: BinaryIO, folder: Path) -> NDArray[Any]:
    with gunzipped(opened, _WHERE) as stream:
        return unpacked(stream, numpy_header.read(stream, _WHERE), folder, _WHERE)


def lone_idx() -> UnreadableError:
    """Give the refusal of an IDX file that comes by itself."""
    return UnreadableError(
        Fault(
            _WHERE,
            "the file is an IDX file, of pictures or of labels alone",
            "send the files of both together, as they are: in one ZIP, or as parts of one form (curl -F "
            "file=@IMAGES -F file=@LABELS)",
        )
    )
