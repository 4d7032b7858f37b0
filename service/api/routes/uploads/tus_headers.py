"""The headers of tus 1.0: what they may say, and how an upload is told in them."""

import hashlib
import re
from base64 import b64decode
from binascii import Error as NoBase64
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import WithJsonSchema

from service.api.resumable import ASKED, VERSION
from service.errors import Malformed, PreconditionFailed, WrongChecksum
from service.store.engine import Row, moment

OFFSETS = "application/offset+octet-stream"
"""The media type of bytes that belong behind an offset."""

ALGORITHMS = ("sha1", "sha256")
LONGEST_METADATA, LONGEST_NAME = 4096, 255

# More digits than any file has: what is too large is told so.
_BYTES = r"^[0-9]{1,100}$"

Length = Annotated[str | None, Header(alias="Upload-Length", pattern=_BYTES, description="Bytes of the whole file.")]
Offset = Annotated[
    str | None, Header(alias="Upload-Offset", pattern=_BYTES, description="How many bytes have been received before.")
]
Deferred = Annotated[
    str | None, Header(alias="Upload-Defer-Length", pattern="^1$", description="`1`: the length is said later.")
]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        max_length=LONGEST_METADATA,
        description="Pairs of a key and a value in Base64, separated by commas. `filename` is what the file is called.",
        examples=["filename bGV0dGVycy5jc3Y="],
    ),
]
Checksum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        max_length=100,
        description=f"{' or '.join(f'`{name}`' for name in ALGORITHMS)}, and the digest of this body in Base64. If it "
        "is another, or the body is cut, nothing of it is kept.",
    ),
]
_Spoken = Annotated[
    str | None,
    Header(alias="Tus-Resumable", description="The version of the protocol."),
    WithJsonSchema({"type": "string", "enum": [VERSION]}),  # another is no field that is wrong, but a 412
]


def spoken(request: Request, tus_resumable: _Spoken = None) -> None:
    """Refuse who speaks another version, or none, or says one thing twice; raises PreconditionFailed and Malformed."""
    if tus_resumable != VERSION:
        raise PreconditionFailed(f"here tus {VERSION} is spoken; say so with Tus-Resumable: {VERSION}")
    for name in ASKED:
        if len(request.headers.getlist(name)) > 1:
            raise Malformed(f"the request has {name} several times, and one counts; say it once")


def understood(request: Request, tus_resumable: _Spoken = None) -> None:
    """Refuse who speaks another version; of people, who speak none, nothing is asked. Raises as `spoken` does."""
    if tus_resumable is not None:
        spoken(request, tus_resumable)


def number(value: str | None) -> int | None:
    """Give the bytes that a header tells, if it is there."""
    return None if value is None else int(value)


def is_of_offsets(request: Request) -> bool:
    """Whether a body is said to be bytes that belong behind an offset."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == OFFSETS


def name_in(described: str) -> str | None:
    """Give what Upload-Metadata calls the file, without folders; raises Malformed."""
    said: dict[str, bytes] = {}
    for pair in filter(None, (part.strip(" ") for part in described.split(","))):
        key, _, value = pair.partition(" ")
        if key in said:
            raise Malformed(f"Upload-Metadata says {key[:100]!a} twice; say it once")
        try:
            said[key] = b64decode(value.strip(" "), validate=True)
        except (NoBase64, ValueError):
            raise Malformed(f"the value of {key[:100]!a} in Upload-Metadata is no Base64") from None
    given = said.get("filename", said.get("name", b"")).decode(errors="replace")
    last = re.split(r"[/\\]", given)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:LONGEST_NAME] or None


@dataclass(eq=False)
class Digest:
    """The checksum that a body is to have."""

    wanted: bytes
    found: Any  # of hashlib

    @classmethod
    def of(cls, header: str | None) -> "Digest | None":
        """Read Upload-Checksum, if it is there; raises Malformed."""
        if header is None:
            return None
        algorithm, _, value = header.partition(" ")
        if algorithm not in ALGORITHMS:
            raise Malformed(f"Upload-Checksum is to begin with {' or '.join(ALGORITHMS)}, not with {algorithm[:20]!a}")
        try:
            wanted = b64decode(value.strip(" "), validate=True)
        except (NoBase64, ValueError):
            raise Malformed("the digest in Upload-Checksum is no Base64") from None
        found = hashlib.new(algorithm, usedforsecurity=False)
        if len(wanted) != found.digest_size:
            raise Malformed(f"a digest of {algorithm} has {found.digest_size} bytes; Upload-Checksum has {len(wanted)}")
        return cls(wanted, found)

    def require(self) -> None:
        """Raise WrongChecksum if what has come is something else."""
        if self.found.digest() != self.wanted:
            raise WrongChecksum("the body is not what Upload-Checksum says; nothing of it was kept, send it again")


def told(row: Row) -> dict[str, str]:
    """Tell how an upload stands."""
    expires = format_datetime(moment(row.expires_at), usegmt=True)
    headers = {"Upload-Offset": str(row.received), "Upload-Expires": expires}
    headers |= {"Upload-Defer-Length": "1"} if row.length is None else {"Upload-Length": str(row.length)}
    if row.described:
        headers["Upload-Metadata"] = row.described
    return headers


def declared(*names: str) -> dict[str, Any]:
    """Declare headers of an answer, for OpenAPI."""
    return {"headers": {name: {"schema": {"type": "string"}} for name in names}}
