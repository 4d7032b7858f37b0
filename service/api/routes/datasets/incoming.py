"""A file that comes as a raw body of any media type, or as the parts of a form, is written as it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, BinaryIO

from fastapi import Request

from service.api.routes.datasets.form import MOST_PARTS, FileOfForm, Part
from service.disk.floor import Floor

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {
            "file": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": MOST_PARTS,
                "description": "The file; or several that belong together, as images and labels, a part for each.",
            },
            "images": {"type": "string", "format": "binary", "description": "Images alone, beside `labels`."},
            "labels": {"type": "string", "format": "binary", "description": "The labels of `images`."},
        },
        "anyOf": [{"required": ["file"]}, {"required": ["images", "labels"]}],
        "additionalProperties": False,
    }
}


def described(*, required: bool) -> dict[str, Any]:
    """Give what the OpenAPI document says of such a body."""
    kinds = {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": _FORM, "*/*": _BINARY}
    return {"requestBody": {"required": required, "content": kinds}}


def incoming(request: Request) -> tuple[AsyncIterator[bytes], Callable[[], Sequence[Part]]]:
    """Give the pieces of the file as they come; and what gives the parts of a form, which stand one after the other.

    A raw body has none; those of a form are known as soon as their first pieces have come.
    """
    if not is_form(request):
        return request.stream(), lambda: ()
    form = FileOfForm(request.stream(), request.headers.get("content-type", ""))
    return form.pieces(), lambda: form.parts


def is_form(request: Request) -> bool:
    """Whether the body is a form."""
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


async def receive(pieces: AsyncIterator[bytes], file: BinaryIO, floor: Floor) -> None:
    """Write what comes into a file; raises NoRoom."""
    async for piece in pieces:
        floor.require()
        await asyncio.to_thread(file.write, piece)
