"""A file that has come by POST /uploads becomes a version's: by a pointer, without a copy."""

from collections.abc import Mapping
from typing import Any

from service.api.dependencies import Dependencies
from service.errors import Damaged, Fault, Invalid
from service.store import owners
from service.store.engine import Row
from service.store.files import File
from service.store.keys import Key


def used(
    deps: Dependencies, name: str, upload_id: str, options: Mapping[str, Any], key: Key | None, *, append: bool
) -> tuple[Row, bool]:
    """Add a version of the file of an upload, unless one has these bytes and options; gives it, and if it is new.

    Raises NoSuchUpload, UploadUnfinished, Invalid if it is empty, Damaged, and what `Datasets.add` raises.
    """
    row, file = deps.store.uploads.finished(upload_id)
    if not row.length:
        detail = f"upload {upload_id} is empty; send the file"
        raise Invalid(detail, faults=[Fault("#query/upload", detail)])
    version, is_new = deps.store.datasets.add(
        name, file or _measured(deps, row), row.name, options, append=append, key=key, upload_id=upload_id
    )
    if not is_new:  # its bytes are there already, and need not lie there twice
        deps.artifacts.remove(deps.store.uploads.give_up(upload_id, owners.of_data(name, version.version)))
    return version, is_new


def _measured(deps: Dependencies, row: Row) -> File:
    """Read an upload once, which takes a second or two a gigabyte, and put its file on record."""
    try:
        sha256, size = deps.artifacts.measure(row.key)
    except FileNotFoundError:
        # It may have been ended just now, or another who used it has let it point to an equal file.
        _, elsewhere = deps.store.uploads.finished(row.id)
        if elsewhere is not None:
            return elsewhere
        size, sha256 = -1, ""
    if size != row.length:
        raise Damaged(f"the bytes of upload {row.id} are not what came; end it with DELETE /uploads/{row.id}")
    return deps.store.uploads.finish(row.id, sha256, size)
