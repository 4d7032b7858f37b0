"""What stands where: the homes of libraries, the floors of rooms, the files that are short (see docs/generate.py)."""

ROOMS = ("worker", "service", "models")


HOMES = {
    "alembic": ("service/store",),
    "celery": ("service/broker", "worker/__main__.py", "worker/app.py", "worker/forking.py", "worker/poison.py"),
    "fastapi": ("service/api",),
    "httptools": ("service/edge/protocol.py",),
    "httpx": ("service/client.py", "service/processes/programs.py", "worker/errands/deliveries/sender.py"),
    "httpx_sse": ("service/client.py",),
    "kombu": ("service/broker", "worker/poison.py"),
    "matplotlib": ("worker/plots",),
    "onnx": ("models/export",),
    "onnxruntime": ("models/predict_onnx.py",),
    "optuna": ("worker/errands/suggest.py",),
    "orjson": ("service/api/routes/v2.py", "service/predict", "service/protocols"),
    "pandas": ("models/moving_average.py",),
    "PIL": ("models/data/reading/pictures", "models/framing.py", "models/images.py"),
    "psycopg": (),
    "pyarrow": ("models/data/reading",),
    "pydantic_settings": ("service/settings.py",),
    "redis": ("service/broker",),
    "rich": ("service/cli",),
    "safetensors": ("models/checkpoints.py", "models/golden.py", "models/inference.py", "models/novelty.py"),
    "sklearn": ("models/data/fitting.py",),
    "sqlalchemy": ("service/store",),
    "starlette": ("service/api", "service/security.py"),
    "torch": ("models",),
    "torchvision": ("models/data/load.py",),
    "typer": ("service/cli",),
    "uvicorn": ("service/api/server.py", "service/edge", "service/predict/fast_path.py"),
}
"""Which library is imported where; those that are in no line (numpy, pydantic) are at home everywhere."""


FLOORS = {
    "worker": (
        ("fork_server",),
        ("app",),
        ("errands", "heartbeat", "readings"),
        ("train", "reconcile"),
        ("plots", "comparison"),
        ("learned_from",),
        ("datasets",),
    ),
    "service": (
        ("cli",),
        ("start",),
        ("api",),
        ("protocols",),
        ("predict",),
        ("refusals",),
        ("artifacts",),
        ("store",),
        ("sweeps",),
        ("processes",),
        ("broker",),
    ),
}
"""From top to bottom: what stands on a floor imports nothing from those above it, nor from beside it. Whatever is in no
line stands on the ground."""


SHORT = {
    "service/cli/__main__.py": "what `python -m service.cli` runs has to be a file of this name",
    "service/store/migrations/env.py": "what Alembic runs has to be a file of this name",
    "service/processes/logs.py": "how programs log, in one place",
}
"""Files of fewer than 15 lines, and why each of them is one."""
