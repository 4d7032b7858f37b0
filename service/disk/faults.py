"""What errors of files mean: the disk is full, or cannot be written, or too many are open; and what may be told."""

import errno
import re

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNUSABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.ENXIO, errno.ESTALE}
_PATH = re.compile(r"(?<![\w:/.])/(?:[^/\s'\"]+/)+")


def is_full(error: BaseException) -> bool:
    """Whether a disk, or what its owner may use of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def is_unusable(error: BaseException) -> bool:
    """Whether files cannot be read or written as they are: not allowed, mounted read-only, or the disk is broken."""
    return isinstance(error, OSError) and error.errno in _UNUSABLE


def is_too_many(error: BaseException) -> bool:
    """Whether as many files are open as a process, or the system, may have."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


def may_pass(error: BaseException) -> bool:
    """Whether what could not be written is worth another try, once somebody has looked after the disk."""
    return is_full(error) or (isinstance(error, OSError) and error.errno == errno.EROFS)


def told(error: BaseException) -> str:
    """Say what went wrong without the paths at which it did: where a machine keeps its files is nobody's business."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return error.strerror
    return without_paths(str(error))


def without_paths(text: str) -> str:
    """Give a text with the last name alone of each path in it, which says enough."""
    return _PATH.sub("", text)
