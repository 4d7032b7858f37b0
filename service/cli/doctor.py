"""Whether the files are what the record says: `tenfold doctor`. What can be made anew is mended on request."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.artifacts import Artifacts
from service.disk.faults import told
from service.store.datasets import SENT
from service.store.engine import Row
from service.store.store import Store

Kind = Literal["missing", "damaged", "orphan"]

_LATER_SECONDS = 600.0
"""A file so much younger than all that is recorded was not left over here: a worker that lives says so every 5 s."""

YOUNG_SECONDS = 3600.0
"""A younger file to which nothing points may be about to be pointed to: from writing to recording it takes seconds."""


@dataclass(frozen=True)
class Finding:
    """One file that is not as it should be; `remedy` says what mends it."""

    kind: Kind
    key: str
    size: int
    remedy: str
    pointer: Row | None = None

    @property
    def is_mendable(self) -> bool:
        """Whether `mend` does away with it: an orphan, or a picture or export that is made again when asked for."""
        return self.pointer is None or _is_made_when_asked_for(self.pointer)


def examine(store: Store, artifacts: Artifacts, *, young_seconds: float = YOUNG_SECONDS) -> Iterator[Finding]:
    """Read every file that the record points to, and look for those to which nothing points."""
    left = list(orphans(store, artifacts, young_seconds=young_seconds))
    pointers = store.files.all()
    for pointer in pointers:
        try:
            artifacts.check(pointer.key, pointer.sha256)
        except FileNotFoundError:
            yield Finding("missing", pointer.key, pointer.size, _remedy(pointer), pointer)
        except ValueError:
            yield Finding("damaged", pointer.key, pointer.size, _remedy(pointer), pointer)
        except OSError as error:
            remedy = f"it cannot be read ({told(error)}); look after the disk, or {_remedy(pointer)}"
            yield Finding("damaged", pointer.key, pointer.size, remedy, pointer)
    yield from left


def orphans(store: Store, artifacts: Artifacts, *, young_seconds: float = YOUNG_SECONDS) -> Iterator[Finding]:
    """Look for files to which nothing points; what was half written is one of them."""
    # The folder first: what is written and recorded meanwhile is then seen as recorded, not as an orphan.
    files = list(_files(artifacts.folder, before=time.time() - young_seconds))
    known = {pointer.key for pointer in store.files.all()} | store.uploads.keys()
    for path in files:
        key = str(path.relative_to(artifacts.folder))
        if key not in known:
            with suppress(OSError):
                size = path.stat().st_size
                yield Finding("orphan", key, size, "nothing points to it: --mend removes it")


def why_another_s(store: Store, artifacts: Artifacts) -> str | None:
    """Say why files to which nothing points may be those of another record, if they may: then none is to be removed.

    A program that dies leaves files of what is on record, and none that is younger than its last beat. Files that are
    half written are of no worth to any record.
    """
    keys = [one.key for one in orphans(store, artifacts) if not Path(one.key).name.startswith(".")]
    known = len({pointer.key for pointer in store.files.all()})
    since = time.time() - max(store.files.quiet_seconds() - _LATER_SECONDS, 0)
    if later := [key for key in keys if _written_after(artifacts.path(key), since)]:
        why = f"{len(later):,} files of which it knows nothing were written since anything was last recorded in it"
    elif len(strange := store.files.of_strangers(keys)) > known:
        why = f"it knows {known:,} files, and nothing of {len(strange):,} others, nor of what they belong to"
    else:
        return None
    return (
        f"this is perhaps not the record of these files: {why}. Say with TENFOLD_DATABASE_URL which database the "
        "service uses (without it, it is the SQLite file in the home), or with --force that they are to be removed "
        "nevertheless"
    )


def _written_after(path: Path, moment: float) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime > moment
    return False


def mend(finding: Finding, store: Store, artifacts: Artifacts) -> None:
    """Do away with what is not as it should be, where nothing is lost by that."""
    if finding.pointer is not None:
        store.files.forget(finding.pointer)
    artifacts.remove([finding.key])


def _files(folder: Path, *, before: float) -> Iterator[Path]:
    for path in folder.rglob("*"):
        with suppress(OSError):  # it is gone by now, or nobody may look at it
            if path.is_file() and path.stat().st_mtime < before:
                yield path


def _is_made_when_asked_for(pointer: Row) -> bool:
    return str(pointer.name).endswith(".png") or str(pointer.name).startswith("export.")


def _remedy(pointer: Row) -> str:
    owner, _, name = pointer.owner.partition("/")
    if _is_made_when_asked_for(pointer):
        return "--mend forgets it; it is made again when somebody asks for it"
    if owner == "datasets":
        dataset, _, version = name.partition("/")
        this = f"/datasets/{dataset}/versions/{version}"
        if pointer.name == SENT:
            return f"restore it from a backup, or DELETE {this} and upload it again; what was read of it is not touched"
        return f"restore it from a backup, or DELETE {this} and upload its file again, which GET {this}/file may have"
    if owner == "uploads":
        return f"restore it from a backup, or DELETE /uploads/{name} and send it again"
    if owner == "models":
        model, _, version = name.partition("/")
        return (
            f"restore it from a backup, or let no alias point to the version and delete it: "
            f"DELETE /models/{model}/versions/{version}"
        )
    if owner == "jobs":
        return (
            f"a job that has not ended goes on from the checkpoint before; of one that has, restore the file from a "
            f"backup, or POST /jobs/{name}/retry"
        )
    return "restore it from a backup"
