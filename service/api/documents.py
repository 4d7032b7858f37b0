"""Routes that take a JSON document: it is read strictly, within the bounds that all documents have."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.edge.document import read
from service.predict.receive import require_plain


class _Request(Request):
    """A request whose body is read as we read JSON, and not as FastAPI would."""

    async def json(self) -> Any:
        return read(await self.body())


class DocumentRoute(APIRoute):
    """A route whose body is a JSON document, if it has one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Have its handler given our kind of request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def answer(request: Request) -> Response:
            require_plain(request.scope["headers"])
            return await handle(_Request(request.scope, request.receive))

        return answer
