"""The image and its composition, as far as they can be tried without an engine that runs them."""

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlalchemy import update
from typer.testing import CliRunner

from service.cli.main import app
from service.processes.process import Program
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings
from service.store.store import Store
from service.store.tables import workers

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

every_service = pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"].keys())
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def pinned_versions() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def check_of_the_api(port: int) -> list[str]:
    (check,) = instructions("HEALTHCHECK")
    python, *arguments = json.loads(check.partition(" CMD ")[2])
    assert python == "python"
    return [sys.executable, *(argument.replace("8000", str(port)) for argument in arguments)]


def worker_is_healthy(settings: Settings) -> bool:
    kind, python, *arguments = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    ended = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "TENFOLD_DATABASE_URL": settings.database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ended.stderr
    return ended.returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
    ],
    ids=lambda command: command[0],
)
def test_the_files_satisfy_their_linters(command: list[str]) -> None:
    program, *arguments = command
    linter = Path(sys.executable).parent / program
    ended = subprocess.run([linter, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["api", "worker"])
def test_what_a_container_runs_is_a_command_of_tenfold(name: str) -> None:
    (entrypoint,) = instructions("ENTRYPOINT")
    (program,) = json.loads(entrypoint)
    assert PROJECT["scripts"][program] == "service.cli.main:app"
    outcome = CliRunner().invoke(app, [*COMPOSE["services"][name]["command"], "--help"])
    assert outcome.exit_code == 0, outcome.output


def test_every_variable_named_tenfold_is_a_setting() -> None:
    named = set(re.findall(r"\bTENFOLD_([A-Z_]+)\b", DOCKERFILE + COMPOSE_TEXT))
    assert {"HOME", "HOST", "DATABASE_URL"} <= named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_settings_that_the_composition_is_made_of_are_no_matter_of_the_file_for_its_user() -> None:
    for name in ("api", "worker"):
        service = COMPOSE["services"][name]
        assert service["env_file"] == [{"path": ".env", "required": False}]
        said = service["environment"].keys()
        assert {f"TENFOLD_{word}" for word in ("HOME", "DATA", "DATABASE_URL", "BROKER_URL")} <= said
    assert COMPOSE["services"]["api"]["environment"]["TENFOLD_PORT"] == "8000"


def test_every_variable_taken_from_outside_is_explained_in_the_example() -> None:
    taken = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))
    explained = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert taken == explained


@every_service
def test_every_service_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all("size=" in mount for mount in service["tmpfs"])
    assert {"mem_limit", "pids_limit"} <= service.keys()
    user = service["user"] if "build" not in service else instructions("USER")[-1]
    assert user.partition(":")[0] not in {"", "0", "root"}


@every_service
def test_every_service_is_checked_brought_back_and_given_time_to_stop(service: dict[str, Any]) -> None:
    assert "healthcheck" in service or service["command"] == ["api"]  # which the image itself checks
    assert {"restart", "stop_grace_period"} <= service.keys()


@every_service
def test_ports_are_published_on_the_loopback_only(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@every_service
def test_passwords_come_from_outside(service: dict[str, Any]) -> None:
    for name, value in service.get("environment", {}).items():
        assert "PASSWORD" not in name or value.startswith("${POSTGRES_PASSWORD:?")
        assert not re.search(r"://[^/@]*:[^/@]*@", value), "a password in a URL"


def test_every_volume_lies_where_the_image_made_a_folder_for_its_user() -> None:
    (folders,) = re.findall(r"install --directory --owner=tenfold .*--mode=0700 (.+)", DOCKERFILE)
    mounted = {mount.partition(":")[2] for name in ("api", "worker") for mount in COMPOSE["services"][name]["volumes"]}
    assert mounted == set(folders.split())


def test_the_build_context_holds_what_the_image_copies_and_nothing_else() -> None:
    copied = {name for copy in instructions("COPY") if not copy.startswith("--from") for name in copy.split()[:-1]}
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_pins_are_exact_and_come_from_no_particular_place() -> None:
    for pin in pinned_versions():
        assert pin.url is None
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin


def test_every_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    pins = pinned_versions()
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        wanted = Requirement(text)
        versions = [
            str(pin.specifier).removeprefix("==")
            for pin in pins
            if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        ]
        assert versions, f"{wanted.name} is not pinned"
        assert all(version in wanted.specifier for version in versions), f"{wanted} is pinned to {versions}"


def test_an_api_is_healthy_from_when_it_answers_until_it_is_gone(tmp_path: Path) -> None:
    port = free_port()
    check = check_of_the_api(port)

    def is_healthy() -> bool:
        return subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode == 0

    assert not is_healthy()
    settings = Settings(home=tmp_path / "home", port=port, broker_url=f"redis://127.0.0.1:{free_port()}/0")
    api = Program("api", [sys.executable, "-m", "service.cli", "api"], is_healthy, environment=settings.environment())
    with Supervisor([api], tmp_path):
        assert is_healthy()
    assert not is_healthy()


@on_postgresql
def test_a_worker_is_healthy_when_both_of_its_roles_were_just_seen(settings: Settings, store: Store) -> None:
    store.workers.seen(f"{socket.gethostname()}:10", "train", slots=2)
    assert not worker_is_healthy(settings)
    store.workers.seen(f"{socket.gethostname()}:11", "errands", slots=0)
    assert not worker_is_healthy(settings)
    store.workers.seen(f"{socket.gethostname()}:12", "readings", slots=0)
    assert worker_is_healthy(settings)


@on_postgresql
def test_a_worker_that_fell_silent_is_not_healthy(settings: Settings, store: Store) -> None:
    store.workers.seen(f"{socket.gethostname()}:10", "train", slots=2)
    store.workers.seen(f"{socket.gethostname()}:11", "errands", slots=0)
    store.workers.seen(f"{socket.gethostname()}:12", "readings", slots=0)
    with store.database.writer.begin() as connection:
        connection.execute(update(workers).values(seen_at=workers.c.seen_at - 15_000))
    assert not worker_is_healthy(settings)


@on_postgresql
def test_workers_of_other_containers_do_not_make_a_worker_healthy(settings: Settings, store: Store) -> None:
    store.workers.seen(f"another-{socket.gethostname()}:10", "train", slots=2)
    store.workers.seen(f"{socket.gethostname()}-other:11", "errands", slots=0)
    assert not worker_is_healthy(settings)
