"""The only file paths: files are written whole or not at all, and read by the key under which they were written.

Keys are made here, from ids and random numbers; no client ever names a path.
"""

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from service.store import owners
from service.store.files import File
from service.store.shared_columns import DEFAULT

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artifacts:
    """Files below a folder that all programs share."""

    folder: Path
    account: str = DEFAULT

    def of(self, account: str) -> "Artifacts":
        """Give the files of an account: what is kept under names lies where no other's of these names does."""
        return replace(self, account=account)

    def _place(self, owner: str) -> Path:
        return self.folder / owners.within(self.account, owner)

    def write(self, owner: str, name: str, data: bytes, *, epoch: int = 0) -> File:
        """Write a new file for an owner ("jobs/<id>"); it is seen once the record points to it."""
        return self.write_with(owner, name, lambda file: file.write(data), epoch=epoch)

    def write_with(self, owner: str, name: str, fill: Callable[[BinaryIO], object], *, epoch: int = 0) -> File:
        """Write a new file by a function that fills it; raises what `draft` and its `keep` raise."""
        with self.draft(owner, name, epoch=epoch) as draft:
            fill(draft.file)
            return draft.keep()

    @contextmanager
    def draft(self, owner: str, name: str, *, epoch: int = 0) -> "Iterator[Draft]":
        """Open a new file, to be written piece by piece; unless it is kept, nothing is left of it.

        When the disk refuses, OSError is raised, which names the key.
        """
        folder = self._place(owner)
        suffix = "".join(Path(name).suffixes)
        path = folder / f"{Path(name).name.removesuffix(suffix)}-{epoch:04}-{secrets.token_hex(8)}{suffix}"
        temporary = path.with_name(f".{path.name}")
        draft = None
        try:
            with _created(temporary) as file:
                draft = Draft(file, temporary, path, name, epoch, str(path.relative_to(self.folder)))
                yield draft
        except BaseException as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise OSError(error.errno, os.strerror(error.errno), f"{owner}/{name}") from error
            raise
        finally:
            if draft is None or draft.kept is None:
                # Where it cannot be written, it may be that nothing can be removed either: that is not what to tell.
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                    path.unlink(missing_ok=True)
                    folder.rmdir()  # if nothing else lies there

    def grow(self, key: str, *, size: int) -> "Growing | None":
        """Open a file of `size` bytes, to be written on by one at a time; None while another has it open.

        It is made if it is to have none yet. Raises OSError, FileNotFoundError among them.
        """
        path = self.path(key)
        with _called(key):
            if not size:
                path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | (0 if size else os.O_CREAT), 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # there are file systems without locks
            pass
        return Growing(descriptor, path, key)

    def measure(self, key: str) -> tuple[str, int]:
        """Give the SHA-256 and the size of a file; raises OSError."""
        with _called(key):
            return _digest(self.path(key))

    def path(self, key: str) -> Path:
        """Give the path at which the file of a key lies."""
        return self.folder / key

    def read(self, key: str, sha256: str) -> bytes:
        """Read a file; raises ValueError when it is not what was written, FileNotFoundError when it's gone.

        Errors name the key: where this machine keeps its files is no caller's business.
        """
        try:
            data = self.path(key).read_bytes()
        except OSError as error:
            raise OSError(error.errno, error.strerror, key) from error  # of the same class, by its number
        _compare(hashlib.sha256(data).hexdigest(), sha256, key)
        return data

    def check(self, key: str, sha256: str) -> None:
        """See that a file is what was written, however large it is; raises what `read` raises."""
        try:
            found, _ = _digest(self.path(key))
        except OSError as error:
            raise OSError(error.errno, error.strerror, key) from error
        _compare(found, sha256, key)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files that nothing points to any more; what cannot be removed now is found by `tenfold gc`."""
        for key in keys:
            try:
                self.path(key).unlink(missing_ok=True)
            except OSError as error:
                _logger.warning("%s stays on the disk: %s", key, error.strerror)

    def keys(self, owner: str, stems: Collection[str]) -> list[str]:
        """List the keys of an owner's files whose names begin with one of the stems, also of those half written."""
        folder = self._place(owner)
        paths = folder.iterdir() if folder.is_dir() else ()
        return [str(path.relative_to(self.folder)) for path in paths if path.name.lstrip(".").split("-")[0] in stems]

    def abandoned(self, kind: str) -> list[str]:
        """List the keys of files of all owners of a kind ("datasets") that were half written by programs that died."""
        places = [self.folder / kind, *self.folder.glob(f"{owners.within('*', kind)}")]
        found = [path for place in places for path in place.glob("**/.*")]
        return [str(path.relative_to(self.folder)) for path in found if _is_abandoned(path)]

    def remove_folder(self, owner: str) -> None:
        """Remove the folder of an owner that was deleted, unless something still lies there."""
        with suppress(OSError):
            self._place(owner).rmdir()

    def remove_all(self, owner: str) -> None:
        """Remove all files of an owner that was deleted, and to whose files no other points."""
        shutil.rmtree(self._place(owner), ignore_errors=True)


@dataclass(eq=False)
class Draft:
    """A file that is being written."""

    file: BinaryIO
    temporary: Path
    path: Path
    name: str
    epoch: int
    key: str
    kept: File | None = None

    def keep(self) -> File:
        """Give the file its name; its bytes are on the disk before, and the name before this returns.

        Raises OSError. A failed fsync is never tried again on the same file, whose unwritten pages may have been
        dropped: https://www.usenix.org/conference/atc20/presentation/rebello
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        sha256, size = _digest(self.temporary)
        self.temporary.rename(self.path)  # while it is open, and so no abandoned one
        _sync_folder(self.path.parent)
        self.kept = File(name=self.name, key=self.key, sha256=sha256, size=size, epoch=self.epoch)
        return self.kept


@dataclass(eq=False)
class Growing:
    """A file that is written on, over several requests, by one at a time: it is locked as long as it is open."""

    descriptor: int
    path: Path
    key: str
    place: int = 0

    def go_on(self, size: int) -> None:
        """Cut off what stands behind the bytes that are known to be safe; raises ValueError if there are fewer."""
        with _called(self.key):
            found = os.fstat(self.descriptor).st_size
            if found < size:
                raise ValueError(f"{self.key} has {found:,} bytes, and {size:,} were written")
            if found > size:
                os.ftruncate(self.descriptor, size)
        self.place = size

    def write(self, data: bytes | bytearray) -> None:
        """Write behind what was written; raises OSError."""
        rest = memoryview(data)
        with _called(self.key):
            while rest:
                written = os.pwrite(self.descriptor, rest, self.place)
                rest = rest[written:]
                self.place += written

    def keep(self) -> int:
        """Have all bytes on the disk, and the file's name; gives how many these are. Raises OSError, as `keep` does."""
        with _called(self.key):
            os.fsync(self.descriptor)
            _sync_folder(self.path.parent)
        return self.place

    def close(self) -> None:
        """Let others write."""
        os.close(self.descriptor)


def _created(path: Path) -> BinaryIO:
    """Create a file, and its folder, which may be removed meanwhile by whoever took the last file out of it.

    It is locked as long as its program has it open, and lives: what is half written and not locked is abandoned.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            file = path.open("xb")
            with suppress(OSError):  # there are file systems without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return file
            file.close()  # before it was locked, it was taken for an abandoned one and removed


@contextmanager
def _called(key: str) -> Iterator[None]:
    """Let errors name the key: where this machine keeps its files is no caller's business."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), key) from error


def _is_abandoned(path: Path) -> bool:
    """Whether nobody writes a file any more."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody writes it, has just given it its name, or no one can tell
        return False
    return True


def _compare(found: str, sha256: str, key: str) -> None:
    if found != sha256:
        raise ValueError(f"the file {key} was damaged after it was written")


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
