"""Every library has one home, imports go one way, and a file is found by its name.

`HOMES` and `FLOORS` are what the page on the architecture shows; `docs/generate.py` writes them there.
"""

import ast
import graphlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.architecture import FLOORS, HOMES, ROOMS, SHORT

ROOT = Path(__file__).parent.parent

FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]
SOURCE = {name: ast.parse((ROOT / name).read_text()) for name in NAMES}

every_file = pytest.mark.parametrize("name", NAMES)


def imports(name: str) -> Iterator[str]:
    """Yield what a file imports, anywhere in it, by its full name."""
    for node in ast.walk(SOURCE[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_files(name: str) -> set[str]:
    """Give those of our files that a file imports."""
    parts = [full.split(".") for full in imports(name)]
    candidates = {f"{'/'.join(path)}.py" for path in parts} | {f"{'/'.join(path[:-1])}.py" for path in parts}
    return candidates & set(NAMES)


def floor_of(name: str) -> int:
    """Give how far below the top a file stands within its room."""
    room, place = name.removesuffix(".py").split("/")[:2]
    floors = FLOORS.get(room, ())
    return next((number for number, floor in enumerate(floors) if place in floor), len(floors))


@every_file
def test_every_library_stays_at_home(name: str) -> None:
    for library in {full.partition(".")[0] for full in imports(name)}:
        homes = HOMES.get(library, (name,))
        at_home = any(name == home or name.startswith(f"{home}/") for home in homes)
        assert at_home, f"{name} imports {library}, whose home is {homes}"


def test_every_home_is_lived_in() -> None:
    used = {name: {full.partition(".")[0] for full in imports(name)} for name in NAMES}
    for library, homes in HOMES.items():
        for home in homes:
            users = [name for name, libraries in used.items() if library in libraries]
            assert any(name == home or name.startswith(f"{home}/") for name in users), f"{library}: {home}"


@every_file
def test_imports_go_down_and_never_up(name: str) -> None:
    room, place = name.removesuffix(".py").split("/")[:2]
    for other in imported_files(name):
        its_room, its_place = other.removesuffix(".py").split("/")[:2]
        assert ROOMS.index(room) <= ROOMS.index(its_room), f"{name} imports {other}, of a room above"
        if room == its_room and place != its_place and room in FLOORS:
            ground = floor_of(other) == len(FLOORS[room])
            assert ground or floor_of(name) < floor_of(other), f"{name} imports {other}, which does not stand below it"


def test_imports_never_go_round_in_a_circle() -> None:
    # TopologicalSorter raises CycleError, with the files of the circle.
    assert len(tuple(graphlib.TopologicalSorter({name: imported_files(name) for name in NAMES}).static_order()))


def test_a_source_file_is_one_idea_of_15_to_300_lines() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in NAMES if not name.endswith("__init__.py")}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}
    beside = [*(ROOT / "docs").glob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "tests" / "chaos").glob("*.py")]
    assert {path.name for path in beside if len(path.read_text().splitlines()) > 300} == set()
    assert {name for name, lines in lengths.items() if lines < 15} == set(SHORT)


def test_three_files_with_one_prefix_are_a_folder() -> None:
    folders = sorted({Path(name).parent for name in NAMES if "migrations" not in name})
    for folder in folders:
        words = Counter(path.stem.partition("_")[0] for path in (ROOT / folder).glob("*.py") if path.stem[0] != "_")
        assert [word for word, count in words.items() if count > 2] == [], folder


def test_files_of_one_name_in_different_folders_are_siblings_or_one_thing_from_several_sides() -> None:
    # The walls of an idea: a name that is said twice stands for one resource, or for one step of what siblings do.
    alike = {
        "ensembles.py", "aliases.py", "datasets.py", "health.py", "models.py", "sweeps.py", "jobs.py",
        "app.py", "asgi.py", "checkpoints.py", "errors.py", "export.py", "messages.py", "predict.py", "requests.py",
        "responses.py", "scoring.py", "spec.py", "evaluation.py", "evaluations.py", "rows.py", "uploads.py",
        "adoption.py", "events.py", "bulk.py", "queue.py",
        "api_keys.py", "grants.py", "audit.py", "accounts.py", "webhooks.py",
    }  # fmt: skip
    names = sorted(Path(name).name for name in NAMES if not Path(name).name.startswith("__"))
    assert {name for name, same in groupby(names) if len(list(same)) > 1} - alike == set()


def test_the_service_itself_has_at_most_eight_files_beside_its_folders() -> None:
    assert len(list((ROOT / "service").glob("*.py"))) <= 8


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("__init__.py")])
def test_a_folder_says_its_idea_in_a_sentence_and_imports_nothing(name: str) -> None:
    assert ast.get_docstring(SOURCE[name]), name
    assert len(SOURCE[name].body) == 1, "a neighbour must load nothing by being imported"


def test_only_training_processes_load_torch() -> None:
    # What a process imports at its start; that a running API has not loaded torch is a test of the API.
    others = (
        "service.api.app",
        "service.cli.main",
        "service.cli.demo",
        "worker.app",
        "worker.errands.draw_job",
        "worker.errands.evaluate",
    )
    assert loaded(*others) & {"torch", "sklearn", "scipy", "alembic"} == set()


def test_a_training_process_loads_nothing_heavy_beside_torch() -> None:
    assert loaded("worker.train.run") & {"sklearn", "scipy", "pandas", "matplotlib", "torchvision", "alembic"} == set()


def test_the_api_does_not_load_the_broker_s_clients_before_it_sends_a_message() -> None:
    assert loaded("service.api.app") & {"celery", "kombu", "redis"} == set()


def test_numpy_is_not_loaded_before_the_number_of_its_threads_is_set() -> None:
    # With more of them than one, they wait for each other, spinning: predictions take twice the processor's time.
    assert loaded("models.spec", "service.cli.main") & {"numpy", "torch"} == set()


def loaded(*modules: str) -> set[str]:
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    return set(run.stdout.split())


def test_no_test_is_imported_from_another_file() -> None:
    # What several tests need stands in a file of its own, where it is looked for.
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and re.search(r"(^|\.)test_", node.module or "")
    }
    assert found == set()
