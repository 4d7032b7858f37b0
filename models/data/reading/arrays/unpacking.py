"""What is compressed with gzip as a stream, of which a fault tells where it is not whole."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from models.data.reading.found import Fault, UnreadableError


@contextmanager
def gunzipped(packed: BinaryIO, where: str) -> Iterator[BinaryIO]:
    """Give the bytes of a stream unpacked; what is read of it within the context raises UnreadableError if damaged."""
    try:
        yield cast(BinaryIO, gzip.GzipFile(fileobj=packed))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        detail = "cut off" if isinstance(error, EOFError) else f"damaged ({error})"
        what = f"the gzip file is {detail}"
        raise UnreadableError(Fault(where, what, "compress it anew and send the whole of it")) from error
