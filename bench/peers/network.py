"""The network that every server is given, and the plain answer that those give who have no form of their own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference import Network, read

HOST = "127.0.0.1"


def load() -> Network:
    """Read the weights file that the bench names."""
    return read(Path(os.environ["PEER_WEIGHTS"]).read_bytes())


def port() -> int:
    """Give the port that the bench has chosen."""
    return int(os.environ["PEER_PORT"])


def batch() -> int:
    """Give how many requests may be answered together; 1 where the server shall not batch."""
    return int(os.environ.get("PEER_BATCH", "1"))


def pixels(image: Sequence[Any]) -> NDArray[np.float32]:
    """One image of 28 rows of 28 numbers -> float32 [1, 28, 28]."""
    return np.array(image, dtype=np.float32)[None]


def plain(row_C: NDArray[np.float32]) -> dict[str, Any]:
    """The probabilities of one image -> what is answered."""
    return {"digit": int(row_C.argmax()), "probabilities": row_C.tolist()}
