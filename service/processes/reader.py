"""`python -m service.processes.reader DESCRIPTOR` reads a data set, within bounds, and tells on the pipe how it goes.

A file that is made to harm whoever reads it harms nobody else here: this process holds no connection to database or
broker, has a limit of memory, and may be killed at any moment. What to read comes on the standard input, a line of JSON
for each file; each line on the pipe is JSON as well: `progress`, and in the end `found`, or `faults`.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

# Before numpy is loaded: its threads would take as much memory as a file.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Before Arrow is: it would set a GiB aside for later, of which the limit of memory would be full.
os.environ["MIMALLOC_ARENA_RESERVE"] = "0"

_TELL_EVERY_SECONDS = 0.1


def read(request: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Read what the request names; gives what there is to know of it, by the columns of a version.

    Raises UnreadableError, ValueError and OSError.
    """
    import numpy as np

    from models.data.examples import TEST, of_levels
    from models.data.reading.adding.base import Base
    from models.data.reading.options import Options
    from models.data.reading.read import read as read_file
    from models.data.schema import Images
    from models.data.stored import BEFORE, LABELS, VALUES, Stored

    folder = Path(request["folder"])
    reading: Mapping[str, Any] | None = None
    files: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    added, levels = None, None
    if request.get("builtin") is not None:
        # Of what is uploaded nothing else is needed of it, and it takes longer to load than a few examples to read.
        from models.data.load import load_builtin, load_test_part

        examples = load_builtin(request["builtin"], Path(request["data"]))
        test = load_test_part(request["builtin"], Path(request["data"]))
        sha256 = examples.digest
        # For the picture that is drawn of them: what is built in is kept where it was found, and not a second time.
        np.save(folder / VALUES, examples.values)
        np.save(folder / LABELS, examples.labels)
    elif request.get("table") is not None:
        examples = Stored(((BEFORE, Path(request["table"])),)).load()
        sha256 = examples.digest
    else:
        options = Options.model_validate(request["options"])
        base = None if request.get("base") is None else Base.of(request["base"])
        found = read_file(Path(request["file"]), folder, options, name=request["name"], base=base, progress=progress)
        files, reading, sha256 = tuple(found.files), found.reading, found.sha256
        shared, added, levels = tuple(found.shared), found.added, found.levels
        paths = {name: folder / name for name in files}
        if base is not None:
            paths |= {name: base.files[name] for name in shared}
        examples = Stored(tuple(paths.items()), found.schema).load()
    if request.get("builtin") is None:
        tested = None if examples.parts is None else int(np.count_nonzero(examples.parts == TEST))
    else:
        tested = None if test is None else len(test.labels)
    schema = examples.schema
    description: dict[str, Any] = {
        "examples": len(examples.labels),
        "image_shape": None,
        "test_examples": tested,
        "class_counts": examples.class_counts(),
        "mean": None,
        "deviation": None,
        "sha256": sha256,
    }
    if isinstance(schema, Images):
        if examples.values.dtype == np.uint8:
            # What is appended later adds to these, and need not look at the pixels before it.
            levels = levels or examples.levels().tolist()
            description["levels"] = levels
            mean, deviation = of_levels(np.asarray(levels, np.float64))
        else:
            mean, deviation = examples.mean_and_deviation()
        description |= {
            "image_shape": list(schema.shape),
            "mean": schema.origin + mean * schema.unit,
            "deviation": deviation * schema.unit,
        }
    return {
        "files": files,
        "shared": shared,
        "added": added,
        "kind": schema.kind,
        "schema": schema.model_dump(mode="json"),
        "reading": None if reading is None else dict(reading),
        "description": description,
        "examples": len(examples.labels),
        "sha256": sha256,
    }


def look(request: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Read the first part of a file, by its extent, and keep nothing; raises what `read` raises."""
    from models.data.reading.excerpt import Excerpt, Extent
    from models.data.reading.found import UnreadableError
    from models.data.reading.options import Options
    from models.data.reading.read import read as read_file

    excerpt = Excerpt(Extent(**request["extent"]))
    options = Options.model_validate(request["options"])
    file, folder = Path(request["file"]), Path(request["folder"])
    try:
        found = read_file(file, folder, options, name=request["name"], progress=progress, excerpt=excerpt)
    except UnreadableError as error:
        return {"faults": error.as_dicts(), "excerpt": excerpt.document(None)}
    return {
        "kind": found.schema.kind,
        "schema": found.schema.model_dump(mode="json"),
        "reading": dict(found.reading),
        "examples": found.examples,
        "excerpt": excerpt.document(found.examples),
    }


def _told(request: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """Give the faults that an error comes down to, and whether it is worth another try."""
    from models.data.reading.found import UnreadableError
    from service.disk.faults import may_pass, told

    where = request.get("builtin") or "file"
    if isinstance(error, UnreadableError):
        return {"faults": error.as_dicts(), "again": False}
    if isinstance(error, MemoryError):
        detail = f"reading it takes more than {request['memory']:,} bytes of memory"
        remedy = "send fewer or smaller examples, or start the workers with a larger TENFOLD_READING_MEMORY_BYTES"
        if "extent" in request:
            remedy = "upload it (POST /datasets): a worker that reads it may take more"
        return {"faults": [{"where": where, "detail": detail, "remedy": remedy}], "again": False}
    if may_pass(error):
        detail, remedy = f"a worker could not write ({told(error)})", "make room on its disk, then send it again"
        return {"faults": [{"where": where, "detail": detail, "remedy": remedy}], "again": True}
    known = isinstance(error, ValueError | OSError) and str(error)
    detail = told(error) if known else f"{type(error).__name__}: {told(error)}"
    remedy = "ask for it again once that is mended" if request.get("builtin") else "mend it and send it again"
    return {"faults": [{"where": where, "detail": detail[:1000], "remedy": remedy}], "again": False}


class _WithoutPandas:
    """Arrow looks for pandas as soon as it is given a list, and to load that takes as long as all else together."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """Say that there is none."""
        if name == "pandas":
            raise ModuleNotFoundError("there is no need for pandas here", name=name)


def _get_ready() -> None:
    """Load what is needed while nothing may be asked for yet, which takes half a second."""
    import numpy.ma  # which numpy itself loads late, to find what is there twice
    import numpy.random  # noqa: F401

    import models.data.load
    import models.data.reading.read  # noqa: F401


def main(mouth: TextIO) -> None:
    """Read what each line of the standard input says, and tell how it goes."""
    _get_ready()
    for line in sys.stdin:
        _answer(json.loads(line), mouth)


def _answer(request: Mapping[str, Any], mouth: TextIO) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bound = request["memory"] if most == resource.RLIM_INFINITY else min(request["memory"], most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, most))
    told_at = 0.0

    size = None
    with suppress(OSError):  # which is told when it is opened
        size = Path(request["file"]).stat().st_size if "file" in request else None

    def progress(count: int, rows: int) -> None:
        nonlocal told_at
        # That all is read is told at once: what follows may take as long.
        if count == size or time.monotonic() - told_at >= _TELL_EVERY_SECONDS:
            told_at = time.monotonic()
            _tell(mouth, {"progress": {"bytes": count, "rows": rows}})

    try:
        outcome = {"found": look(request, progress) if "extent" in request else read(request, progress)}
    except Exception as error:  # noqa: BLE001 - a file may be damaged in many ways, and somebody waits for an answer
        # What filled the memory goes with the frames in which it lay.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        outcome = _told(request, error)
    _tell(mouth, outcome)


def _tell(mouth: TextIO, what: Mapping[str, Any]) -> None:
    mouth.write(json.dumps(what) + "\n")
    mouth.flush()


if __name__ == "__main__":
    sys.meta_path.insert(0, _WithoutPandas)
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe:
        main(pipe)
    # Somebody waits for the end, and to take numpy and Arrow down takes as long as to read a small file.
    os._exit(0)
