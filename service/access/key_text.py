"""Keys as text, tf_<id>_<secret>_<checksum>: made at random, and read back only whole.

The checksum tells what was cut or mistyped, and searchers for leaked keys what is none, without asking anybody.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
_LONGEST = 200


class KeyText(NamedTuple):
    """What a key says: which it is, and by what it proves that."""

    id: str
    secret: str

    @property
    def digest(self) -> str:
        """Give what is kept of the secret, SHA-256: of 256 random bits nobody finds them by that."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def made() -> tuple[KeyText, str]:
    """Make a new key; gives what it says, and the text of it that its owner gets once."""
    number, letters = int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big"), ""
    while number:
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    key = KeyText(secrets.token_hex(6), letters)
    body = f"tf_{key.id}_{key.secret}"
    return key, f"{body}_{crc32(body.encode()):08x}"


def read(text: str) -> KeyText | None:
    """Read a key; None of what is none."""
    body, _, checksum = text.rpartition("_")
    parts = body.split("_")
    if len(text) > _LONGEST or len(parts) != 3 or parts[0] != "tf" or f"{crc32(body.encode()):08x}" != checksum:
        return None
    return KeyText(parts[1], parts[2])


def shown(headers: Mapping[bytes, bytes]) -> str | None:
    """Give the key that a request shows, in whichever way its client can: as a bearer, a password, or by itself.

    `Authorization: Bearer` is what most send, MLflow its tracking token among them; of `Basic` the password counts.
    """
    if alone := headers.get(b"x-api-key"):
        return alone.decode("latin-1").strip()
    kind, _, given = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    match kind.lower():
        case "bearer":
            return given.strip()
        case "basic":
            try:
                return base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")[2]
            except binascii.Error:
                return ""
    return None if not kind else ""
