"""What is killed in the middle of uploads that come in several requests (failpoints.py): bytes, use, end."""

from pathlib import Path

import httpx

from service.api.routes.uploads import reception
from tests.chaos.world import Scenario, World

_FILE = "\n".join(f"{row % 3},{row},{row * 7 % 50}" for row in range(60)).encode()
_PIECE = len(_FILE) // 3 + 1
_TUS = {"Tus-Resumable": "1.0.0"}


def _place(world: World) -> str:
    return f"/uploads/{world.store.uploads.find(limit=1)[0].id}"


def _acknowledged(world: World) -> Path:
    """Give where the client notes how much it was told is safe; none of the service's own files."""
    return world.settings.home.with_suffix(".told")


def _begin(world: World) -> None:
    answer = world.ask("POST", "/uploads", headers={**_TUS, "Upload-Length": str(len(_FILE))})
    assert answer.status_code == httpx.codes.CREATED, answer.text


def _go_on(world: World) -> None:
    """Send what is missing, piece by piece, as a client does that comes back."""
    reception.SAFE_BYTES = 1  # written down before the answer as well, as of a long body
    place, told = _place(world), _acknowledged(world)
    while True:
        offset = int(world.ask("HEAD", place, headers=_TUS).headers["upload-offset"])
        assert offset >= int(told.read_text() if told.exists() else 0), "bytes are lost that were said to be safe"
        kept = world.artifacts.path(place[1:])
        assert not offset or kept.read_bytes()[:offset] == _FILE[:offset], "what is said to be safe is something else"
        if offset == len(_FILE):
            return
        said = {**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        answer = world.ask("PATCH", place, content=_FILE[offset : offset + _PIECE], headers=said)
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
        told.write_text(answer.headers["upload-offset"])


def _whole(world: World) -> None:
    _begin(world)
    _go_on(world)


def _half(world: World) -> None:
    _begin(world)
    said = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert world.ask("PATCH", _place(world), content=_FILE[:_PIECE], headers=said).is_success


def _use(world: World) -> None:
    answer = world.ask("POST", f"/datasets?name=mine&upload={_place(world).rpartition('/')[2]}")
    assert answer.is_success, answer.text


def _used(world: World) -> None:
    _whole(world)
    _use(world)


def _use_what_is_there(world: World) -> None:
    """Use an upload whose bytes have come before as well, and lie there twice until that is seen."""
    assert world.ask("POST", "/datasets?name=mine", content=_FILE).is_success
    _whole(world)


def _end(world: World) -> None:
    if world.store.uploads.find(limit=1):
        assert world.ask("DELETE", _place(world), headers=_TUS).is_success


UPLOADS: tuple[Scenario, ...] = (
    Scenario("bytes of an upload", _begin, _go_on, again=_go_on),
    Scenario("bytes of an upload of which some have come", _half, _go_on, again=_go_on),
    Scenario("an upload is used", _whole, _use, again=_use),
    Scenario("an upload of known bytes is used", _use_what_is_there, _use, again=_use),
    Scenario("an upload is ended", _half, _end, again=_end),
    Scenario("an upload that was used is ended", _used, _end, again=_end),
)
