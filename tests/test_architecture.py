"""Every library has one home, and imports go one way: worker -> service -> models."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"models": {"models"}, "service": {"models", "service"}, "worker": {"models", "service", "worker"}}
HOMES = {
    "alembic": {"service/store"},
    "celery": {"service/broker/messages.py", "worker/app.py", "worker/request.py"},
    "fastapi": {"service/api"},
    "kombu": {"service/broker/messages.py", "worker/poison.py"},
    "matplotlib": {
        "worker/plots/accuracy_scale.py",
        "worker/plots/style.py",
        "worker/plots/parallel.py",
        "worker/plots/job.py",
        "worker/plots/sweep.py",
    },
    "onnx": {"models/export.py"},
    "onnxruntime": {"models/predict_onnx.py"},
    "optuna": {"worker/errands/suggest.py"},
    "orjson": {
        "service/protocols/asgi.py",
        "service/protocols/responses.py",
        "service/protocols/requests.py",
        "service/predict/asgi.py",
        "service/predict/responses.py",
        "service/predict/requests.py",
        "service/predict/details.py",
        "service/api/routes/v2.py",
        "service/protocols/scoring.py",
    },
    "pandas": {"models/curves.py"},
    "PIL": {"models/images.py"},
    "psycopg": set(),
    "pydantic_settings": {"service/settings.py"},
    "redis": {"service/broker/embedded.py", "service/broker/messages.py"},
    "rich": {"service/cli/demo.py"},
    "safetensors": {"models/checkpoints.py", "models/golden.py", "models/inference.py", "models/novelty.py"},
    "sqlalchemy": {"service/store"},
    "starlette": {
        "service/security.py",
        "service/api",
    },
    "torch": {
        "models/augmentation.py",
        "models/checkpoints.py",
        "models/data.py",
        "models/device.py",
        "models/evaluation.py",
        "models/export.py",
        "models/layers.py",
        "models/networks.py",
        "models/optimizers.py",
        "models/learner.py",
        "models/stack.py",
        "models/training.py",
        "models/tuning.py",
    },
    "torchvision": {"models/data.py"},
    "typer": {"service/cli/main.py"},
    "uvicorn": {"service/api/server.py", "service/predict/fast_path.py"},
}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_and_every_library_stays_at_home(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for library in imports(path):
        if library in ROOMS:
            assert library in ROOMS[name.partition("/")[0]], f"{name} must not import {library}"
        for home in HOMES.get(library, {name}):
            if name == home or name.startswith(f"{home}/"):
                break
        else:
            pytest.fail(f"{name} imports {library}, whose home is {sorted(HOMES[library])}")


def test_every_home_is_lived_in() -> None:
    used = {path.relative_to(ROOT).as_posix(): set(imports(path)) for path in FILES}
    for library, homes in HOMES.items():
        users = [name for name, libraries in used.items() if library in libraries]
        for home in homes:
            assert any(name == home or name.startswith(f"{home}/") for name in users), f"{library}: {home}"


def test_a_source_file_is_one_idea_of_at_most_three_hundred_lines() -> None:
    long = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


@pytest.mark.parametrize(
    "module", ["service.api.app", "service.cli.main", "service.cli.demo", "worker.app", "worker.errands.draw_job"]
)
def test_only_training_processes_load_torch(module: str) -> None:
    # What a process imports at its start; that a running API has not loaded torch is a test of the API.
    assert loaded(module) & {"torch", "sklearn", "scipy", "alembic"} == set()


def test_a_training_process_loads_nothing_heavy_beside_torch() -> None:
    assert loaded("worker.train.run") & {"sklearn", "scipy", "pandas", "matplotlib", "torchvision", "alembic"} == set()


def test_the_api_does_not_load_the_broker_s_clients_before_it_sends_a_message() -> None:
    assert loaded("service.api.app") & {"celery", "kombu", "redis"} == set()


def loaded(module: str) -> set[str]:
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    return set(run.stdout.split())
