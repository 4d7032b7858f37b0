"""The documentation is true as far as a machine can tell: tables, routes, links, commands, and tests that it names."""

import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.app import create_app
from service.cli import main
from service.processes import programs
from service.settings import Settings
from tests.architecture import ROOMS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RECORDS = sorted(DOCS.glob("decisions/*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)


def generate(docs: Path, *arguments: str) -> object:
    """Run generate.py as a program, in this process, which has loaded most of it; gives what it says at its exit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["generate.py", *arguments])
        try:
            runpy.run_path(str(docs / "generate.py"), run_name="__main__")
        except SystemExit as exit_:
            return exit_.code
    return 0


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code(page: Path) -> Iterator[str]:
    """Yield what is set as code: fenced, indented, or amid a line."""
    yield from re.findall(r"^```\w*\n.*?^```$|^ {4}.*$|`[^`\n]+`", page.read_text(), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_is_generated_is_up_to_date() -> None:
    assert generate(DOCS, "--check") == 0


def test_a_page_that_is_out_of_date_is_named_and_can_be_written_anew(tmp_path: Path) -> None:
    copy = shutil.copytree(DOCS, tmp_path / "docs")
    for name in ("api.md", "operations.md"):
        (copy / name).write_text((copy / name).read_text().replace("| --- |", "| - |", 1))
    assert "api.md, operations.md;" in str(generate(copy, "--check"))
    assert generate(copy) == 0
    for page in DOCS.glob("*.md"):
        assert (copy / page.name).read_text() == page.read_text()


def test_every_setting_is_in_operations_and_no_other_is_spoken_of() -> None:
    named = set(re.findall(r"^\| `TENFOLD_([A-Z_]+)`", (DOCS / "operations.md").read_text(), re.MULTILINE))
    settings = {name.upper() for name in Settings.model_fields}
    assert named == settings
    for page in PAGES:
        assert set(re.findall(r"TENFOLD_([A-Z_]+)", page.read_text())) <= settings, page


def test_every_program_of_the_stack_is_in_operations_with_the_time_it_has_to_stop(tmp_path: Path) -> None:
    page, settings = (DOCS / "operations.md").read_text(), Settings(home=tmp_path)
    for part in (programs.broker(settings, 0), *programs.workers(settings), programs.api(settings)):
        assert re.search(rf"^\| `{part.name}` \|.*\| {part.stop_seconds:g} s \|$", page, re.MULTILINE), part.name


def test_every_route_is_listed_and_described(tmp_path: Path) -> None:
    page = (DOCS / "api.md").read_text()
    routes = {
        f"{method.upper()} {path}": route["summary"]
        for path, methods in create_app(Settings(home=tmp_path)).openapi()["paths"].items()
        for method, route in methods.items()
    }
    assert dict(re.findall(r"^\| \[`(.+)`\]\(.+\) \| (.+) \|$", page, re.MULTILINE)) == routes
    assert sorted(re.findall(r"^### (\w+ /.*)$", page, re.MULTILINE)) == sorted(routes)


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)) + re.findall(r'src="([^"]+)"', page.read_text()):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@every_page
def test_every_command_is_one_that_there_is(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {command.name or getattr(command.callback, "__name__", "") for command in main.app.registered_commands}
    commands |= {str(group.name) for group in main.app.registered_groups}
    for text in code(page):
        assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets, text
        assert set(re.findall(r"(?<![\w/-])tenfold ([a-z-]+)", text)) <= commands, text


@every_page
def test_every_source_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:models|service|worker|tests|docs|bench)/[\w./-]+)", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_tree_in_the_readme_shows_what_is_there() -> None:
    tree = (ROOT / "README.md").read_text().partition("## The map")[2].split("```")[1].strip().splitlines()
    assert len(tree) <= 16
    shown: set[Path] = set()
    room = ROOT
    for line in tree:
        folder, told = line.split(maxsplit=1)
        here = (room if line.startswith(" ") else ROOT) / folder
        room = room if line.startswith(" ") else here
        named = [here, *(here / name for name in re.findall(r"[\w./-]+(?:/|\.py|\.md)(?=[\s,;)]|$)", told))]
        assert [path for path in named if not path.exists()] == [], line
        shown |= {*named, *(path.parent for path in named)}
    assert {file.parent for name in ROOMS for file in (ROOT / name).glob("*/__init__.py")} <= shown


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    assert [record.name[:5] for record in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]
    page = (DOCS / "architecture.md").read_text()
    assert [f"decisions/{record.name}" for record in RECORDS] == re.findall(r"\]\((decisions/.+)\)", page)


@every_record
def test_a_decision_fits_its_form_and_names_what_enforces_it(record: Path) -> None:
    headings = re.findall(r"^##? (.+)$", record.read_text(), re.MULTILINE)
    assert headings[0].startswith(record.name[:4])
    assert headings[1:] == ["Context", "Decision", "Consequences", "What enforces it"]
    enforced = record.read_text().partition("## What enforces it")[2]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", enforced)
    assert named
    for path, function in named:
        source = (ROOT / path).read_text()
        assert not function or re.search(rf"^(?:async )?def {function}\(", source, re.MULTILINE), function
