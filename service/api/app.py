"""The API: middlewares, routes, and the bypass past both for the busiest."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from starlette.types import Receive, Scope, Send

from service.access.caller import OPEN
from service.access.named_in_query import may_name
from service.api.dependencies import Dependencies
from service.api.exception_handlers import add_exception_handlers
from service.api.gate import Gate
from service.api.keyring import Keyring
from service.api.middleware import HeadMiddleware, PlainErrorsMiddleware, RedirectMiddleware
from service.api.openapi import offer_documentation
from service.api.policy import Policy
from service.api.resumable import ResumableMiddleware
from service.api.routes import (
    accounts,
    adoption,
    aliases,
    api_keys,
    audit,
    ensembles,
    evaluations,
    events,
    exports,
    granting,
    health,
    index,
    models,
    predict,
    queue,
    scoring,
    sweeps,
    v2,
    webhooks,
)
from service.api.routes.datasets import data_events, data_versions, preview, rows, sets, upload
from service.api.routes.jobs import actions, bulk, checkpoints, evaluation, holding, metrics, plots, submit
from service.api.routes.jobs import events as job_events
from service.api.routes.uploads import begin, proceed
from service.api.serving import Answerers, Serving
from service.api.strict import known_body, known_query
from service.edge.links import ROOT, below
from service.errors import Problem
from service.predict.asgi import PATH, Predict
from service.predict.fast_path import FAST_PATH
from service.protocols.asgi import Infer, is_infer
from service.settings import Settings

MAX_BODY_BYTES = 2**20

_OURS = (
    submit,
    holding,
    bulk,
    actions,
    metrics,
    plots,
    evaluation,
    checkpoints,
    job_events,
    events,
    sweeps,
    models,
    aliases,
    ensembles,
    adoption,
    evaluations,
    exports,
    api_keys,
    audit,
    accounts,
    granting,
    webhooks,
    queue,
)
_DATA = (upload, preview, sets, data_versions, data_events, rows, begin, proceed)
"""What takes files as large as may be."""

_OTHERS = (predict, scoring, v2, health, index)
"""What is asked for by clients of others, and by probes, which may add what they like; /predict looks for itself."""


def create_app(settings: Settings) -> FastAPI:
    """Build the API from its settings."""

    @asynccontextmanager
    async def lifespan(app: "_Api") -> AsyncIterator[dict[str, Any]]:
        app.state.dependencies = Dependencies.build(app.state.settings)
        app.state.serving = Serving(app.state.dependencies)
        app.state.answerers = app.state.serving.of(OPEN)
        store = app.state.dependencies.store
        app.gate.admission.record = store
        app.gate.admission.keyring = Keyring(store.api_keys) if app.state.settings.asks_for_keys else None
        yield {FAST_PATH: app.bypass, ROOT.name: settings.root_path}
        if (keyring := app.gate.admission.keyring) is not None:
            keyring.watch.close()
        app.state.dependencies.close()

    app = _Api(
        gate_settings=settings,
        title="Tenfold",
        version=version("tenfold"),
        summary="Train small classifiers over HTTP, follow them live, and serve what they learned.",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    strict = [Depends(known_query), Depends(known_body)]
    # Limits not for the whole app: there they would stand outside of our middleware, and be told in plain text.
    for ours in _OURS:
        app.include_router(ours.router, dependencies=strict, max_body_size=MAX_BODY_BYTES)
    for others in _OTHERS:
        app.include_router(others.router, max_body_size=MAX_BODY_BYTES)
    for data in _DATA:
        app.include_router(data.router, dependencies=strict, max_body_size=settings.max_upload_bytes)
    documentation = offer_documentation(app)
    add_exception_handlers(app)
    app.add_middleware(PlainErrorsMiddleware)
    app.add_middleware(RedirectMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(ResumableMiddleware)
    routers = (*_OURS, *_OTHERS, *_DATA)
    app.gate.admission.policy = Policy([*(route for one in routers for route in one.router.routes), *documentation])
    return app


class _Api(FastAPI):
    """The API behind its gate, with a bypass to its busiest routes: past gate and middlewares, where none would act.

    A request that a browser sends says where it comes from, and one under another name than ours is to be refused:
    those go through the gate, which leads to the same answer.
    """

    def __init__(self, *, gate_settings: Settings, **about: Any) -> None:
        super().__init__(**about)
        self.gate = Gate(super().__call__, gate_settings)

    def bypass(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Predict | Infer | None:
        """Give what answers an HTTP request past the gate, if it may pass it."""
        path: str = scope["path"]
        if scope["method"] != "POST" or not (path == PATH or is_infer(path)):
            return None
        if b"origin" in headers or b"sec-fetch-site" in headers or may_name(scope.get("query_string", b"")):
            return None
        if not self.gate.has_nothing_to_do(scope, headers.get(b"host", b"")):
            return None
        answerers: Answerers = self.state.answerers
        if self.gate.admission.keyring is not None:
            try:
                caller = self.gate.admit(scope, headers)
            except Problem:  # which the gate finds too, and says
                return None
            if caller is None:
                return None
            answerers = self.state.serving.of(caller)
        return answerers.predict if path == PATH else answerers.infer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif (answers := self.bypass(scope, dict(scope["headers"]))) is not None:
            scope, root = self.gate.inside(scope)
            with below(root):
                await answers(scope, receive, send)
        else:
            await self.gate(scope, receive, send)
