"""What is asked of tus, in a few words."""

from base64 import b64encode
from typing import Any

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
FILE = "\n".join(f"{number % 3},{number},{number * 7 % 50}" for number in range(60)).encode()
"""A table that can be read; any bytes would do."""


def begun(api: Any, length: int = len(FILE), name: str = "letters.csv", **headers: str) -> str:
    """Begin an upload; gives its address."""
    described = {"Upload-Metadata": f"filename {b64encode(name.encode()).decode()}"}
    answer = api.post("/uploads", headers={**TUS, "Upload-Length": str(length), **described, **headers})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def sent(api: Any, place: str, content: Any, offset: int = 0, **headers: str) -> Any:
    """Send bytes behind an offset."""
    return api.patch(place, content=content, headers={**BYTES, "Upload-Offset": str(offset), **headers})


def offset(api: Any, place: str) -> int:
    """Ask how far an upload has come."""
    answer = api.head(place, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def whole(api: Any, content: bytes = FILE) -> str:
    """Have a file come, whole; gives its id."""
    place = begun(api, len(content))
    assert sent(api, place, content).status_code == 204
    return place.rpartition("/")[2]
