"""What a shell's variables must not do to us: those of other programs are left out, misspelt ones of ours are told."""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from service.settings import Settings

OF_OTHERS: Mapping[str, tuple[str, ...]] = {
    "Have Celery, Kombu and billiard take another broker, other queues and pools, or end otherwise": (
        *("CELERY_*", "KOMBU_*", "BROKER_URL", "RESULT_BACKEND", "LOADER", "CONFIG_MODULE", "SKIP_CHECKS"),
        *("AUTOSCALE_KEEPALIVE", "C_BENCH*", "C_FAKEFORK", "C_STRICT_APP", "C_WARN_APP", "DISABLE_TRACEBACKS"),
        *("DJANGO_*", "EVENTLET_*", "FORKED_BY_MULTIPROCESSING", "MP_LOG", "MP_MAIN_FILE", "PICKLE_PROTOCOL"),
        *("REMAP_SIGTERM", "TIMER_DEBUG", "USE_FAST_LOCALS"),
    ),
    "Have Matplotlib draw in a window or a notebook, or otherwise": ("MPLBACKEND", "MATPLOTLIBRC"),
    "Have uvicorn believe anybody about where a request comes from, FastAPI and pydantic tell more than asked": (
        *("FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY", "UVICORN_*", "FASTAPI_*", "PYDANTIC_*"),
    ),
    "Name another PostgreSQL than `TENFOLD_DATABASE_URL`, or have it answer otherwise": (
        *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"),
        *("PGOPTIONS", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGTARGETSESSIONATTRS"),
        *("PGLOADBALANCEHOSTS", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PSYCOPG_*"),
    ),
    "Have more threads than `TENFOLD_THREADS` compute, all on one core, or less exactly": (
        *("OMP_*", "GOMP_*", "KMP_*", "MKL_*", "DNNL_*", "ONEDNN_*", "OPENBLAS_*", "GOTO_NUM_THREADS"),
        *("BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_*"),
        *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    ),
    "End Python's programs at a warning": ("PYTHONWARNINGS",),
}
"""What the libraries read that would break or alter us: why it is left out, and by which names."""

_PREFIX = "TENFOLD_"
_OURS = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
# What Kubernetes tells every container of a service that is called tenfold, or tenfold-something; TENFOLD_PORT too.
_OF_KUBERNETES = re.compile(r"TENFOLD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_ALIKE, _ALIKE_WITHIN = 0.8, 0.5
"""How alike a name is at least to be taken for one of ours: as a whole, and behind TENFOLD_ if it begins so."""


def leave_out(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take variables of other programs out of the environment, which the programs that are started inherit."""
    patterns = [pattern for names in OF_OTHERS.values() for pattern in names]
    for name, value in list(environment.items()):
        if any(fnmatchcase(name, pattern) for pattern in patterns) or _is_of_kubernetes(name, value):
            del environment[name]
    # Batches are small and processes many: threads of the matrix products would wait for each other, spinning.
    environment["OPENBLAS_NUM_THREADS"] = "1"


def misspelt(environment: Mapping[str, str] = os.environ, file: Path = Path(".env")) -> Iterator[str]:
    """Say of each name that is almost one of ours which was meant; of a file for a composition as well."""
    for name in sorted(environment):
        if told := _meant(name):
            yield told
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        name = line.partition("=")[0].strip().removeprefix("export ").strip()
        if "=" in line and not name.startswith("#") and (told := _meant(name)):
            yield f"{file}: {told}"


def _meant(name: str) -> str | None:
    upper = name.upper()
    if upper in _OURS:
        return None
    if not upper.startswith(_PREFIX):
        near = get_close_matches(upper, sorted(_OURS), n=1, cutoff=_ALIKE)
        return f"{name} is no setting and is ignored; did you mean {near[0]}?" if near else None
    within = [ours.removeprefix(_PREFIX) for ours in sorted(_OURS)]
    near = get_close_matches(upper.removeprefix(_PREFIX), within, n=1, cutoff=_ALIKE_WITHIN)
    return f"{name} is no setting and is ignored" + (f"; did you mean {_PREFIX}{near[0]}?" if near else "")


def _is_of_kubernetes(name: str, value: str) -> bool:
    is_address = name.startswith(_PREFIX) and name.endswith("_PORT") and "://" in value
    return is_address or _OF_KUBERNETES.fullmatch(name) is not None
