"""Every exception of a route as a problem document."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.api.methods import allowed
from service.api.routes.idempotency import again
from service.errors import Malformed, Problem, rendered, reworded
from service.errors import invalid as wrong_fields
from service.refusals import as_problem
from service.store.engine import DatabaseError, cause
from service.store.errors import Repeated, StoreError

_logger = logging.getLogger(__name__)


def add_exception_handlers(app: FastAPI) -> None:
    """Turn every error into a problem document."""

    @app.exception_handler(Problem)
    @app.exception_handler(StoreError)
    @app.exception_handler(DatabaseError)
    @app.exception_handler(OSError)
    # Starlette logs what nobody foresaw with its trace; whoever sent the request is told that it is not their fault.
    @app.exception_handler(Exception)
    async def problem(request: Request, error: Exception) -> Response:
        why = as_problem(error)
        if isinstance(error, StoreError | OSError) and why.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error  # nobody foresaw it here: it goes to the log as all else that nobody foresaw
        if isinstance(error, OSError | DatabaseError):
            _logger.warning("%s %r: %s", request.method, request.url.path, cause(error))
        return _problem(request, why.status, why.detail, why.faults, why.about, why.members)

    @app.exception_handler(Repeated)
    async def repeated(_request: Request, first: Repeated) -> Response:
        return again(first.answer)

    @app.exception_handler(ClientDisconnect)
    async def broken_off(request: Request, _: ClientDisconnect) -> Response:
        # A line: who breaks off again and again must not fill the disk with traces of where it was noticed.
        _logger.info("%s %s was broken off by its client", request.method, request.scope["route"].path)
        return await problem(request, Malformed("the request ended before its body did"))  # nobody is there to read it

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return await problem(request, wrong_fields(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, Problem):  # of reading the body, which FastAPI tells as its own
            return await problem(request, error.__cause__)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed(app, request.url.path)):
            headers["Allow"] = methods
        detail = reworded(error.detail, request.scope["path"])
        return _problem(request, error.status_code, detail, headers=headers)


def _problem(
    request: Request,
    status: int,
    detail: str,
    faults: Any = (),
    headers: dict[str, str] | None = None,
    members: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    status, body, kind = rendered(status, detail, request.url.path, faults, members)
    return JSONResponse(body, status_code=status, headers=headers, media_type=kind)
