"""The README's commands, run in their order as they stand there, by a shell in a fresh checkout."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.processes.supervisor import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MNIST = bool(os.environ.get("TENFOLD_DATA"))

NOT_RUN = {"make test"}
"""It runs this."""


def transcripts() -> Iterator[tuple[str, str]]:
    """Give each command of the README, and what is shown below it."""
    command: list[str] = []
    shown: list[str] = []
    for line in README.read_text().splitlines():
        if line.startswith("    $ "):
            if command:
                yield "\n".join(command), "\n".join(shown)
            command, shown = [line[6:]], []
        elif command and line.startswith("    "):
            is_open = command[-1].endswith("\\") or "\n".join(command).count("'") % 2
            (command if is_open else shown).append(line[4:])
    yield "\n".join(command), "\n".join(shown)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with everything that is in the repository, and nothing that anybody has made there."""
    for path in ROOT.iterdir():
        if path.name not in {".git", ".tenfold", "demo"}:
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    port = free_port()
    own = {"TENFOLD_PORT": str(port), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | own


def as_here(command: str, port: str) -> str:
    """Give a command with this test's port, that installs nothing, and with the data that is here."""
    command = command.replace(":8000", f":{port}").replace("make ", "make -o .venv/run ")
    return command if MNIST else command.replace("mnist", "digits")


@contextmanager
def up(command: str, checkout: Path, environment: dict[str, str]) -> Iterator[None]:
    """Have what `make up` starts, until Ctrl-C."""
    said = checkout / "up.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=checkout, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(
            lambda: process.poll() is not None or "Stop it with Ctrl-C." in said.read_text(),
            timeout=90,
            what="it to be ready",
        )
        assert process.poll() is None, said.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)


def run(commands: list[str], checkout: Path, environment: dict[str, str]) -> list[str]:
    """Have one shell run them, and give what each of them says."""
    folder = checkout / "said"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    lines = [f"{{ {command}\n}} > {folder}/{number} 2>&1" for number, command in enumerate(commands)]
    ended = subprocess.run(
        ["bash", "-e"],
        input="\n".join(lines),
        cwd=checkout,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
    )
    said = [(folder / str(number)).read_text() for number in range(len(list(folder.iterdir())))]
    assert (ended.returncode, ended.stderr) == (0, ""), (commands[len(said) - 1], said[-1])
    return said


def problem(text: str) -> int | None:
    """Give the status of a problem document; of all else, None."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document["status"] if isinstance(document, dict) and "title" in document and "status" in document else None


def is_as_shown(command: str, said: str, shown: str) -> bool:
    """Whether an answer has all that is shown of it, and is a mistake only where one is shown."""
    status = re.search(r'"status":(\d+)', shown)
    keys = set(re.findall(r'"\w+":', shown))
    digit = re.search(r'"digit":\d|digit.png: \d', shown) if MNIST else None
    return (
        problem(said) == (int(status[1]) if status else None)
        and {key for key in keys if key not in said} == set()
        and (digit is None or digit[0] in said)
        and (not shown.startswith("#") or shown.splitlines()[0] in said)
    )


@pytest.mark.timeout(480)
def test_the_commands_of_the_readme_do_what_it_shows(checkout: Path, environment: dict[str, str]) -> None:
    told = [(command, shown) for command, shown in transcripts() if command not in NOT_RUN]
    start = next(number for number, (command, _) in enumerate(told) if command == "make up")
    here = [as_here(command, environment["TENFOLD_PORT"]) for command, _ in told]
    said = run(here[:start], checkout, environment) if MNIST else [""] * start
    with up(here[start], checkout, environment):
        said += ["", *run(here[start + 1 :], checkout, environment)]
    begin = 0 if MNIST else start + 1
    wrong = [
        (command, answer)
        for (command, shown), answer in zip(told[begin:], said[begin:], strict=True)
        if command != "make up" and (answer or shown) and not is_as_shown(command, answer, shown)
    ]
    assert wrong == []
    for name in re.findall(r" -o (\S+)", "\n".join(command for command, _ in told)):
        written = (checkout / name).read_bytes()
        assert written.startswith(b"\x89PNG") == name.endswith(".png"), name
        assert problem(written.decode(errors="replace")) is None, written
