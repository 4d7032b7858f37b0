"""One file for each first word of a URL."""

from typing import Annotated

from fastapi import Depends, Request

from service.parts import Parts


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Given = Annotated[Parts, Depends(_parts)]
