"""Which scope each route takes, by method and path; a route that is in no line stops the start.

Where several are named, one of them is enough. What no route answers takes a key all the same, whatever it is for.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from starlette.routing import Mount, Route

from service.access.scopes import Scope

PUBLIC: frozenset[Scope] = frozenset()
"""Of what takes no key."""

Routes = Iterable[Route | Mount]

_TABLE: Mapping[tuple[Scope, ...], str] = {
    (): """
        GET /
        GET /docs
        GET /openapi.json
        GET /static
        GET /livez
        GET /readyz
        GET /ping
        GET /v2/health/live
        GET /v2/health/ready
    """,
    ("read",): """
        GET /version
        GET /jobs
        GET /jobs/{job_id}
        GET /jobs/{job_id}/metrics
        GET /jobs/{job_id}/plots/{plot}.png
        GET /jobs/{job_id}/evaluation
        GET /jobs/{job_id}/checkpoints
        GET /jobs/{job_id}/checkpoints/{name}.safetensors
        GET /jobs/{job_id}/examples
        GET /jobs/{job_id}/events
        GET /events
        GET /sweeps
        GET /sweeps/{sweep_id}
        GET /sweeps/{sweep_id}/table.csv
        GET /sweeps/{sweep_id}/plots/{plot}.png
        GET /models
        GET /models/{name}
        GET /models/{name}/versions
        GET /models/{name}/versions/{version}
        GET /models/{name}/versions/{version}/card
        GET /models/{name}/versions/{version}/lineage
        GET /models/{name}/versions/{version}/export.{form}
        GET /models/{name}/lineage
        GET /models/{name}/history
        GET /models/{name}/aliases/{alias}
        GET /models/{name}/shares
        GET /datasets/{name}/shares
        GET /evaluations
        GET /evaluations/{evaluation_id}
        GET /datasets
        GET /datasets/{name}
        GET /datasets/{name}/samples.png
        GET /datasets/{name}/versions
        GET /datasets/{name}/versions/{version}
        GET /datasets/{name}/versions/{version}/samples.png
        GET /datasets/{name}/versions/{version}/reading
        GET /datasets/{name}/versions/{version}/file
        GET /datasets/{name}/versions/{version}/models
        GET /datasets/{name}/versions/{version}/events
        GET /datasets/{name}/versions/{number}/rows
        GET /datasets/{name}/versions/{number}/images/{row}.png
        GET /queue
        GET /workers
        POST /tickets
    """,
    ("train",): """
        POST /jobs
        PUT /jobs/{job_id}
        DELETE /jobs/{job_id}
        POST /jobs/{job_id}/cancel
        POST /jobs/cancel
        POST /jobs/delete
        POST /jobs/{job_id}/pause
        POST /jobs/{job_id}/resume
        POST /jobs/{job_id}/finish
        POST /jobs/{job_id}/retry
        POST /jobs/{job_id}/verify
        POST /jobs/{job_id}/continue
        POST /sweeps
        POST /sweeps/{sweep_id}/cancel
        DELETE /sweeps/{sweep_id}
        POST /evaluations
        DELETE /evaluations/{evaluation_id}
        GET /webhooks
        PUT /webhooks/{name}
        GET /webhooks/{name}
        DELETE /webhooks/{name}
        POST /webhooks/{name}/rotate
        POST /webhooks/{name}/test
        POST /webhooks/{name}/replay
        GET /webhooks/{name}/deliveries
        GET /webhooks/{name}/deliveries/{delivery_id}
        POST /webhooks/{name}/deliveries/{delivery_id}/replay
    """,
    ("data",): """
        POST /datasets
        POST /datasets/preview
        DELETE /datasets/{name}
        POST /datasets/{name}/versions
        DELETE /datasets/{name}/versions/{version}
        POST /datasets/{name}/versions/{version}/cancel
        PUT /datasets/{name}/shares/{account}
        DELETE /datasets/{name}/shares/{account}
        OPTIONS /uploads
        POST /uploads
        GET /uploads
        GET /uploads/{upload_id}
        PATCH /uploads/{upload_id}
        DELETE /uploads/{upload_id}
    """,
    ("models",): """
        POST /models
        DELETE /models/{name}
        POST /models/{name}/versions
        DELETE /models/{name}/versions/{version}
        PUT /models/{name}/aliases/{alias}
        DELETE /models/{name}/aliases/{alias}
        POST /models/{name}/aliases/{alias}/rollback
        PUT /models/{name}/shares/{account}
        DELETE /models/{name}/shares/{account}
    """,
    ("predict",): """
        POST /predict
        POST /invocations
        POST /v1/models/{model}:predict
        POST /v1/models/{model}/versions/{version}:predict
        POST /v2/models/{model}/infer
        POST /v2/models/{model}/versions/{version}/infer
        POST /v2/repository/models/{model}/load
        POST /v2/repository/models/{model}/unload
    """,
    ("predict", "read"): """
        GET /models/{name}/versions/{version}/schema
        GET /v1/models/{model:without_verb}
        GET /v1/models/{model:without_verb}/versions/{version:without_verb}
        GET /v1/models/{model:without_verb}/metadata
        GET /v1/models/{model:without_verb}/versions/{version:without_verb}/metadata
        GET /v2
        GET /v2/
        GET /v2/models
        GET /v2/models/stats
        GET /v2/models/{model}
        GET /v2/models/{model}/versions/{version}
        GET /v2/models/{model}/ready
        GET /v2/models/{model}/versions/{version}/ready
        GET /v2/models/{model}/config
        GET /v2/models/{model}/versions/{version}/config
        GET /v2/models/{model}/stats
        GET /v2/models/{model}/versions/{version}/stats
        POST /v2/repository/index
        POST /v2/repository/{repository}/index
    """,
    ("admin",): """
        GET /keys
        POST /keys
        GET /keys/{key_id}
        DELETE /keys/{key_id}
        GET /audit
        GET /accounts
        GET /accounts/{name}
        PUT /accounts/{name}
    """,
}


class Entry(NamedTuple):
    """What a route takes."""

    path: str
    scopes: frozenset[Scope]


UNKNOWN = Entry("", frozenset())
"""Of what no route answers: a key that is good for anything."""


def table() -> dict[str, frozenset[Scope]]:
    """Give the scopes of each route by its method and its path; those of which one is enough."""
    return {line.strip(): frozenset(scopes) for scopes, lines in _TABLE.items() for line in lines.strip().splitlines()}


_REMEMBERED = 512
"""Letters of a path, at most, that is looked up once."""


class Policy:
    """Says which route a request is for, as the router will find it, and what that takes."""

    def __init__(self, routes: Routes) -> None:
        known = table()
        self._known = lru_cache(maxsize=4096)(self._of)  # asked for every prediction
        self._below: dict[str, list[tuple[re.Pattern[str], str, Entry]]] = {}
        for route in routes:
            for method in sorted(_methods(route)):
                name = f"{method} {route.path}"
                if name not in known:
                    raise LookupError(f"{name} is in no line of the table of scopes")
                entry = Entry(route.path, known[name])
                self._below.setdefault(_first(route.path), []).append((route.path_regex, method, entry))

    def of(self, method: str, path: str) -> Entry:
        """Give what a request takes, by its method as the router will have it."""
        # Of long paths, which anybody may send, nothing stays.
        return (self._known if len(path) <= _REMEMBERED else self._of)(method, path)

    def _of(self, method: str, path: str) -> Entry:
        method = "GET" if method == "HEAD" else method
        for pattern, its, entry in self._below.get(_first(path), ()):
            if its == method and pattern.match(path):
                return entry
        return UNKNOWN


def _methods(route: Route | Mount) -> set[str]:
    return {"GET"} if isinstance(route, Mount) else set(route.methods or ()) - {"HEAD"}


def _first(path: str) -> str:
    return path.partition("/")[2].partition("/")[0]  # of "*", too, which is no path
