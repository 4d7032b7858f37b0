"""Tickets: what stands in an address where no header can be sent, for one path and a short time.

An EventSource of a browser and an <img> send no headers, and a key in an address would stand in logs and histories.
Signed by what is kept of the key that it was asked for with: it ends with that key, and no other secret is needed.
"""

import base64
import hashlib
import hmac
from typing import NamedTuple

_BYTES = 24
_LONGEST = 100


class Ticket(NamedTuple):
    """What a ticket says: by which key it was made, and until when it is good, in seconds since 1970."""

    key_id: str
    until: int
    signature: str

    def fits(self, secret_sha256: str, path: str) -> bool:
        """Whether it was made for a path, by the key of which this is kept."""
        return hmac.compare_digest(self.signature, _signature(self.key_id, self.until, secret_sha256, path))


def made(key_id: str, secret_sha256: str, path: str, until: int) -> str:
    """Make a ticket for a path."""
    return f"tt_{key_id}_{until}_{_signature(key_id, until, secret_sha256, path)}"


def read(text: str) -> Ticket | None:
    """Read a ticket; None of what is none."""
    parts = text.split("_", 3)
    if len(text) > _LONGEST or len(parts) != 4 or parts[0] != "tt" or not (parts[2].isascii() and parts[2].isdigit()):
        return None
    return Ticket(parts[1], int(parts[2]), parts[3])


def _signature(key_id: str, until: int, secret_sha256: str, path: str) -> str:
    signed = hmac.digest(bytes.fromhex(secret_sha256), f"{key_id}\n{until}\n{path}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(signed[:_BYTES]).decode()
