"""A file is looked at by its first part, and nothing of it is kept, whatever comes of it."""

import asyncio
import gzip
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

from models.data.reading.excerpt import Extent
from models.data.reading.options import Options
from models.data.reading.read import read
from service.api.routes.datasets import preview as route
from service.processes.standby import Standby
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.running import programs


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is looked at is not put on record."""
    return sqlite_url


@pytest.fixture
def api(api: TestClient, settings: Settings) -> Iterator[TestClient]:
    """The API, of which no test leaves anything behind."""
    yield api
    for folder in (settings.artifacts, settings.home / "readings"):
        assert [path for path in folder.rglob("*") if path.is_file()] == []


def rows(count: int = 30) -> bytes:
    return "\n".join(["a,b,label", *(f"{n}.5,{n % 7},{'xyz'[n % 3]}" for n in range(count))]).encode()


ROWS = rows()


def preview(api: TestClient, content: Any = ROWS, kind: str = "text/csv", **said: Any) -> Any:
    return api.post("/datasets/preview", params=said, content=content, headers={"Content-Type": kind})


def listening(api: TestClient, settings: Settings, tmp_path: Path, body: str) -> None:
    """Have another child read."""
    script = tmp_path / "child.py"
    say = "say = lambda what: os.write(int(sys.argv[1]), (json.dumps(what) + chr(10)).encode())"
    script.write_text(f"import json, os, sys, time\n{say}\n{body}")
    state = api.app.state  # type: ignore[attr-defined]
    standby = Standby(settings, (sys.executable, str(script)))
    state.dependencies = replace(state.dependencies, standby=standby)


def alive() -> list[str]:
    """Give the commands of those of the processes that were started which still are."""
    return [command for command in programs(os.getpid()).values() if "child.py" in command]


def test_a_small_file_is_told_of_as_its_version_would_be(api: TestClient, tmp_path: Path, store: Store) -> None:
    (tmp_path / "file.csv").write_bytes(rows())
    whole = read(tmp_path / "file.csv", tmp_path, Options(label="label"), progress=lambda *_: None)
    answer = preview(api, label="label")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["reading"] == whole.reading
    assert (told["kind"], told["schema"]) == ("table", whole.schema.model_dump(mode="json"))
    assert (told["options"], told["examples"], told["size"], told["name"]) == (
        {"label": "label"},
        30,
        len(rows()),
        None,
    )
    size = len(rows())
    assert told["excerpt"] == {
        "whole": True, "taken": "all", "examples": 30, "of_examples": 30, "bytes": size, "of_bytes": size,
    }  # fmt: skip
    assert store.datasets.all() == []
    page = api.post(
        "/datasets/preview", content=rows(), headers={"Accept": "text/markdown", "Content-Type": "text/csv"}
    )
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.text.startswith("# What was read: a preview\n\n30 examples of 3 classes.")


def test_of_a_large_file_the_first_part_is_looked_at_and_the_answer_says_so(api: TestClient) -> None:
    count = Extent().examples
    body = b"a,b,label\n" + b"1.5,2,x\n2.5,3,y\n" * count
    for content in (body, gzip.compress(body)):
        told = preview(api, content).json()
        assert told["excerpt"]["whole"] is False
        assert (told["excerpt"]["examples"], told["excerpt"]["of_examples"]) == (count, None)
        assert told["excerpt"]["of_bytes"] == told["size"] == len(content)
        assert told["reading"]["notes"][0]["what"] == "part"
        assert told["reading"]["notes"][0]["detail"].startswith(f"the first {count:,} examples were looked at")
        assert [one["examples"] for one in told["reading"]["classes"]] == [count // 2] * 2


def test_a_form_brings_the_file_and_its_name(api: TestClient) -> None:
    answer = api.post("/datasets/preview", files={"file": ("letters.csv", rows())})
    assert answer.json()["name"] == "letters.csv"
    assert {"what": "name", "detail": "its sender called it 'letters.csv'"} in answer.json()["reading"]["notes"]


def test_options_are_those_that_would_hold_for_the_next_version(
    api: TestClient, store: Store, settings: Settings
) -> None:
    api.post("/datasets?name=letters&label=b", content=rows(), headers={"Content-Type": "text/csv"})
    assert preview(api, name="letters", ignore='["a", "label"]').status_code == 422, "no column is left"
    told = preview(api, name="letters", header=True).json()
    assert told["options"] == {"label": "b", "header": True}
    assert told["reading"]["taken_for"]["label"]["column"] == "b"
    assert preview(api, name="nobody", options='{"label": null}').json()["options"] == {}
    api.delete("/datasets/letters")


def pyarrow_file() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"a": [n / 7 for n in range(40)], "label": [0, 1] * 20}), file)
    return file.getvalue()


def test_faults_are_those_of_the_version(api: TestClient) -> None:
    broken = rows().replace(b"3.5,3", b"3.5", 1)
    told = problem(preview(api, broken), 422)
    assert told["detail"].startswith("line 5: it has 2 cells, and others have 3; ")
    assert told["errors"][0] == {
        "pointer": "", "where": "line 5", "detail": "it has 2 cells, and others have 3",
        "remedy": "give each line as many cells, and quote those in which the separator stands",
    }  # fmt: skip
    assert problem(preview(api, scale="[0, 1]"), 422)["errors"][0]["pointer"] == "#query/scale"
    assert len(problem(preview(api, b"a,b,label\n" + b"1,x,\n2,y\n" * 30), 422)["errors"]) == 20
    assert "a PDF document" in problem(preview(api, b"%PDF-1.7\x00"), 422)["detail"]
    cut_off = pyarrow_file()[:-100]
    assert "damaged or cut off" in problem(preview(api, cut_off), 422)["detail"]


def test_what_an_upload_refuses_a_preview_refuses(api: TestClient) -> None:
    assert "the body is empty" in problem(preview(api, b""), 422)["detail"]
    assert "did you mean label?" in problem(preview(api, lable="x"), 422)["detail"]
    problem(preview(api, b"1,2\n" * 1_000_000), 413)
    problem(api.post("/datasets/preview", content=b"x", headers={"Content-Encoding": "gzip"}), 415)
    assert "boundary" in problem(preview(api, kind="multipart/form-data"), 400)["detail"]
    other = api.post("/datasets/preview", content=rows(), headers={"Sec-Fetch-Site": "cross-site"})
    problem(other, 403)
    assert api.patch("/datasets/preview").headers["allow"] == "GET, HEAD, POST, DELETE"


def test_who_waits_too_long_or_has_too_many_is_told(api: TestClient, settings: Settings, tmp_path: Path) -> None:
    listening(api, settings, tmp_path, "sys.stdin.readline(); os.kill(os.getpid(), 9)")
    told = problem(preview(api), 422)
    assert told["detail"].startswith("the process that looks at it was killed by SIGKILL; upload the file")
    listening(api, settings, tmp_path, "sys.stdin.readline(); say({'faults': [{'where': 'file', 'detail': 'no room', "
              "'remedy': 'make some'}], 'again': True}); sys.stdin.readline()")  # fmt: skip
    assert "no room" in problem(preview(api), 507)["detail"]
    assert alive() == []


def served(api: TestClient, messages: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Ask for a preview with a body that comes in such messages; gives those of the answer."""
    answers: list[Any] = []
    scope = {
        "type": "http", "method": "POST", "path": "/datasets/preview", "raw_path": b"/datasets/preview",
        "query_string": b"", "headers": [(b"host", b"localhost")], "scheme": "http", "http_version": "1.1",
        "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "", "state": {},
    }  # fmt: skip

    async def send(message: Any) -> None:
        answers.append(message)

    async def asked() -> None:
        await api.app(scope, messages, send)

    assert api.portal is not None
    api.portal.call(asked)
    return answers


def test_who_leaves_takes_the_process_along(api: TestClient, settings: Settings, tmp_path: Path) -> None:
    listening(api, settings, tmp_path, "sys.stdin.readline(); time.sleep(1000)")
    for begun in ({"body": ROWS}, {"body": b"a", "more_body": True}):
        messages = iter([{"type": "http.request", **begun}, {"type": "http.disconnect"}])

        async def received(messages: Iterator[Any] = messages) -> Any:
            return next(messages)

        answers = served(api, received)
        assert answers[0]["status"] == 400, "nobody is there to read it"
        assert alive() == []
        assert list((settings.home / "readings").iterdir()) == []


@pytest.mark.parametrize(("whole", "asked"), [(False, 1), (True, 2)])
def test_a_text_is_looked_at_while_it_comes_and_once_more_where_that_was_not_enough(
    api: TestClient, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool, asked: int
) -> None:
    monkeypatch.setattr(route, "_ENOUGH", len(ROWS))
    excerpt = {"whole": whole, "taken": "start", "examples": 1, "of_examples": None, "bytes": 1}
    found = {"kind": "table", "schema": {}, "reading": {}, "excerpt": excerpt}
    body = f"found = {found!r}\nfor number, line in enumerate(sys.stdin, 1):\n"
    body += f"    say({{'found': found | {{'examples': number}}}}); open({str(tmp_path / 'asked')!r}, 'w').close()"
    listening(api, settings, tmp_path, body)
    pieces = iter([rows(3000), ROWS])

    async def received() -> Any:
        piece = next(pieces, None)
        if piece is None:
            await asyncio.Event().wait()  # nobody leaves
        while piece is ROWS and not (tmp_path / "asked").exists():
            await asyncio.sleep(0.01)
        return {"type": "http.request", "body": piece, "more_body": piece is not ROWS}

    start, answer, *_ = served(api, received)
    assert start["status"] == 200
    assert json.loads(answer["body"])["examples"] == asked
    assert json.loads(answer["body"])["size"] == len(rows(3000)) + len(ROWS)
