"""What a client is told, above all when it asks for something that cannot be."""

import io
import json
import re
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import submit

BLANK = [[0] * 28] * 28


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


SPECS: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "/epochs"),
    ({"epochs": 10**30}, "/epochs"),
    ({"epochs": "3"}, "/epochs"),
    ({"epochs": True}, "/epochs"),
    ({"learning_rate": 0}, "/learning_rate"),
    ({"hidden_sizes": []}, "/hidden_sizes"),
    ({"hidden_sizes": [100, 0]}, "/hidden_sizes/1"),
    ({"hidden_sizes": [1] * 9}, "/hidden_sizes"),
    ({"hidden_sizes": [4096] * 8}, "/hidden_sizes"),
    ({"dropout": 0.5}, "/dropout"),
    ({"momentum": 0.9}, "/momentum"),
    ({"optimizer": "lion"}, "/optimizer"),
    ({"name": "../../etc/passwd"}, "/name"),
    ({"name": "\ud800"}, "/name"),
    ({"labels": {f"key{number}": "x" for number in range(17)}}, "/labels"),
    ({"labels": {"a/b": "x"}}, "/labels/a~1b/[key]"),
    ({"dataset": "cifar10"}, "/dataset"),
    ({"dataset": "../mnist"}, "/dataset"),
    ({"surprise": 1}, "/surprise"),
]


@pytest.mark.parametrize(("spec", "pointer"), SPECS)
def test_a_spec_that_can_not_be_is_refused_with_a_pointer_to_the_field(
    api: TestClient, store: Store, spec: dict[str, Any], pointer: str
) -> None:
    answer = api.post("/jobs", content=json.dumps(spec), headers={"Content-Type": "application/json"})
    assert pointers(answer) == {pointer}
    assert store.jobs.find(limit=1) == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(api: TestClient, number: str) -> None:
    answer = api.post("/jobs", content=f'{{"learning_rate": {number}}}', headers={"Content-Type": "application/json"})
    assert pointers(answer) == {"/learning_rate"}


@pytest.mark.parametrize(
    "body", ["", "{", "nonsense", "[" * 60_000, '{"a":' * 12_000, "\x00", '{"epochs": ' + "9" * 5000 + "}"]
)
@pytest.mark.parametrize("path", ["/jobs", "/predict"])
def test_a_body_that_is_no_json_is_refused(api: TestClient, path: str, body: str) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


def test_a_spec_of_another_media_type_is_refused(api: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(api.post("/jobs", content="{}", headers={"Content-Type": kind}), 415)
    problem(api.post("/jobs", content=b"\xff\xd8"), 415)


def test_a_body_over_the_limit_is_refused(api: TestClient) -> None:
    padding = json.dumps({"name": "x" * (2 * 2**20)})
    answer = api.post("/jobs", content=padding, headers={"Content-Type": "application/json"})
    assert problem(answer, 413)["detail"]
    chunks = (b"x" * 65536 for _ in range(200))
    problem(api.post("/predict", content=chunks, headers={"Content-Type": "application/octet-stream"}), 413)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/nobody"),
        ("DELETE", "/jobs/nobody"),
        ("POST", "/jobs/nobody/cancel"),
        ("GET", "/jobs/nobody/metrics"),
        ("GET", "/jobs/nobody/events"),
        ("GET", "/jobs/nobody/examples"),
        ("GET", "/jobs/nobody/checkpoints"),
        ("GET", "/jobs/nobody/checkpoints/last.safetensors"),
        ("GET", "/jobs/nobody/plots/loss.png"),
        ("GET", "/datasets/nobody"),
        ("GET", "/datasets/nobody/samples.png"),
        ("DELETE", "/datasets/nobody"),
        ("GET", "/nowhere"),
        ("GET", "/static/../app.py"),
        ("GET", "/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd/checkpoints/last.safetensors"),
    ],
)
def test_what_is_not_there_is_a_404(api: TestClient, method: str, path: str) -> None:
    problem(api.request(method, path), 404)


def test_a_method_that_is_not_meant_is_a_405(api: TestClient) -> None:
    answer = api.put("/jobs")
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "after=-1", "after=x", "state=sleeping", "label=novalue", "label=a/b:c"],
)
def test_a_query_that_can_not_be_is_refused(api: TestClient, query: str) -> None:
    (pointer,) = pointers(api.get(f"/jobs?{query}"))
    assert pointer == f"#query/{query.partition('=')[0]}" or pointer.startswith("#query/label")


@pytest.mark.parametrize("path", ["plots/entropy.png", "checkpoints/worst.safetensors", "metrics?max_points=3"])
def test_a_part_of_a_job_that_does_not_exist_is_refused(api: TestClient, store: Store, path: str) -> None:
    assert api.get(f"/jobs/{submit(store)}/{path}").status_code in {404, 422}


def test_a_job_without_an_epoch_has_an_empty_history_and_nothing_to_draw(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    history = api.get(f"/jobs/{job_id}/metrics").json()
    assert (history["losses"], history["epochs"], history["total_points"]) == ([], [], 0)
    assert api.get(f"/jobs/{job_id}/metrics?format=csv").text.splitlines() == [
        "iteration,epoch,loss,moving_average,train_acc,val_acc"
    ]
    assert api.get(f"/jobs/{job_id}/checkpoints").json() == {"data": []}
    problem(api.get(f"/jobs/{job_id}/plots/loss.png"), 409)
    problem(api.get(f"/jobs/{job_id}/examples"), 409)
    problem(api.get(f"/jobs/{job_id}/checkpoints/last.safetensors"), 404)
    problem(api.post("/predict", json={"image": BLANK, "model": job_id}), 409)


def test_a_job_is_taken_on_while_the_broker_is_away(api: TestClient, store: Store) -> None:
    answer = api.post("/jobs", json={"dataset": "digits"})
    assert answer.status_code == 202
    job = store.jobs.get(answer.json()["id"])
    assert job is not None
    assert job.state == "queued"


def test_what_needs_a_worker_says_so_while_the_broker_is_away(api: TestClient) -> None:
    answer = api.get("/datasets/digits")
    assert "broker" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
    ready = api.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"database": True, "broker": False, "worker": False}
    assert api.get("/livez").status_code == 200


def test_prediction_without_any_network_says_what_to_do(api: TestClient) -> None:
    assert "POST /jobs" in problem(api.post("/predict", json={"image": BLANK}), 404)["detail"]
    problem(api.post("/predict", json={"image": BLANK, "model": "nobody"}), 404)


IMAGES: list[tuple[Any, str]] = [
    ({}, "/image"),
    ({"image": BLANK, "images": [BLANK]}, "/image"),
    ({"image": BLANK[:27]}, "/image"),
    ({"image": [*BLANK[:27], [0] * 27]}, "/image/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [256]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [-1]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [None]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + ["1"]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [True]]}, "/image/27/27"),
    ({"image": "seven"}, "/image"),
    ({"images": []}, "/images"),
    ({"image": BLANK, "modell": "x"}, "/modell"),
    ({"image": BLANK, "model": "x" * 257}, "/model"),
    ([], ""),
]


@pytest.mark.parametrize(("body", "pointer"), IMAGES)
def test_an_image_that_is_none_is_refused_with_a_pointer_to_the_pixel(api: TestClient, body: Any, pointer: str) -> None:
    assert pointers(api.post("/predict", json=body)) == {pointer}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_pixel_that_is_no_number_is_refused(api: TestClient, number: str) -> None:
    body = json.dumps({"image": BLANK}).replace("0", number, 1)
    answer = api.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


@pytest.mark.parametrize("kind", ["", "text/plain", "image/jpeg", "application/x-www-form-urlencoded"])
def test_a_body_of_an_unknown_kind_is_a_415(api: TestClient, kind: str) -> None:
    assert "image/png" in problem(api.post("/predict", content=b"x", headers={"Content-Type": kind}), 415)["detail"]


@pytest.mark.parametrize("size", [0, 783, 785, 784 * 10_001])
def test_raw_bytes_that_make_no_images_are_refused(api: TestClient, size: int) -> None:
    problem(api.post("/predict", content=bytes(size), headers={"Content-Type": "application/octet-stream"}), 422)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no image",
        png(Image.new("L", (1025, 8))),
        png(Image.new("L", (50, 50), 255)),
        png(Image.new("L", (9, 9)))[:-20],
    ],
)
def test_a_png_that_shows_nothing_readable_is_refused(api: TestClient, body: bytes) -> None:
    problem(api.post("/predict", content=body, headers={"Content-Type": "image/png"}), 422)


def rows(count: int, **changes: str) -> str:
    lines = [",".join([str(number % 10), *["7"] * 784]) for number in range(count)]
    for line, text in changes.items():
        lines[int(line.removeprefix("line")) - 1] = text
    return "\n".join(lines)


def upload(api: TestClient, content: str | bytes, name: str = "mine", kind: str = "text/csv") -> Any:
    return api.post("/datasets", params={"name": name}, content=content, headers={"Content-Type": kind})


def test_a_bad_row_of_an_upload_is_named_by_its_line_and_nothing_is_kept(
    api: TestClient, store: Store, settings: Settings
) -> None:
    assert "line 17" in problem(upload(api, rows(30, line17="1,2,3")), 422)["detail"]
    assert store.datasets.get("mine") is None
    assert not list(settings.artifacts.rglob("*.npy"))


def test_uploads_that_can_not_be_are_refused(api: TestClient) -> None:
    problem(upload(api, rows(30), kind="application/json"), 415)
    problem(upload(api, ""), 422)
    problem(upload(api, rows(30), name="../x"), 422)
    problem(upload(api, rows(30), name="mnist"), 409)
    problem(upload(api, rows(3000)), 413)
    problem(
        api.post("/datasets?name=zip", content=b"x", headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        415,
    )


def test_an_upload_is_kept_once_under_its_name_and_deleted_with_its_files(
    api: TestClient, settings: Settings, store: Store
) -> None:
    assert upload(api, rows(30)).status_code == 201
    problem(upload(api, rows(30)), 409)
    (table,) = settings.artifacts.rglob("*.npy")
    assert np.load(table).shape == (30, 785)
    job_id = submit(store, dataset="mine")
    problem(api.delete("/datasets/mine"), 409)
    api.post(f"/jobs/{job_id}/cancel")
    assert api.delete("/datasets/mine").status_code == 204
    assert not list(settings.artifacts.rglob("*.npy"))
    problem(api.delete("/datasets/mnist"), 409)


def test_a_job_that_has_ended_can_not_be_cancelled(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    (claim,) = store.runs.claim(job_id, "worker")
    store.runs.fail(claim, {"type": "ValueError", "message": "no"})
    assert "failed" in problem(api.post(f"/jobs/{job_id}/cancel"), 409)["detail"]
    assert api.get(f"/jobs/{job_id}").json()["error"] == {"type": "ValueError", "message": "no"}


def test_the_stream_of_a_job_that_ended_and_was_seen_is_closed_for_good(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    store.jobs.cancel(job_id)
    accept = {"Accept": "text/event-stream"}
    stream = api.get(f"/jobs/{job_id}/events", headers=accept)
    assert [line for line in stream.text.splitlines() if line.startswith("event:")] == [
        "event: state",
        "event: state",
        "event: end",
    ]
    last = store.jobs.events(job_id)[-1].number
    again = api.get(f"/jobs/{job_id}/events", headers={**accept, "Last-Event-ID": str(last)})
    assert again.status_code == 204
    problem(api.get(f"/jobs/{job_id}/events", headers={**accept, "Last-Event-ID": "x"}), 422)


def test_a_body_full_of_faults_costs_one_error(api: TestClient) -> None:
    answer = api.post("/predict", json={"images": [[["x"] * 28] * 28] * 300})
    assert len(problem(answer, 422)["errors"]) == 1
    problem(api.post("/jobs", json={"hidden_sizes": [0] * 20_000}), 422)
    problem(api.post("/jobs", json={"hidden_sizes": [0] * 40_000}), 413)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/%00"), ("DELETE", "/jobs/a%00b"), ("GET", "/jobs?name=%00"), ("POST", "/predict?model=%00")],
)
def test_characters_that_no_name_has_are_refused(api: TestClient, method: str, path: str) -> None:
    answer = api.request(method, path, content=bytes(784), headers={"Content-Type": "application/octet-stream"})
    problem(answer, 422)


def test_a_label_is_sought_with_all_its_values(api: TestClient, store: Store) -> None:
    submit(store, labels={"a": "2"})
    assert len(api.get("/jobs?label=a:2").json()["data"]) == 1
    assert api.get("/jobs?label=a:1&label=a:2").json()["data"] == []


def test_a_checkpoint_that_was_damaged_is_told_as_such(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store)
    file = artifacts.write(owners.of_job(job_id), "best.safetensors", b"weights", epoch=1)
    store.files.publish(owners.of_job(job_id), [file])
    assert "cannot be used" in problem(api.post("/predict", json={"image": BLANK, "model": job_id}), 500)["detail"]


def test_head_is_get_without_the_body(api: TestClient) -> None:
    head, get = api.head("/jobs"), api.get("/jobs")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_page_of_another_site_can_change_nothing(api: TestClient, store: Store) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        problem(api.post("/jobs", json={"dataset": "digits"}, headers={"Origin": origin}), 403)
    for site in ("cross-site", "same-site"):
        problem(api.post("/jobs", json={"dataset": "digits"}, headers={"Sec-Fetch-Site": site}), 403)
    assert store.jobs.find(limit=1) == []
    assert api.post("/jobs", json={"dataset": "digits"}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 202


def test_a_host_name_that_is_not_ours_is_refused(api: TestClient) -> None:
    assert "TENFOLD_ALLOWED_HOSTS" in problem(api.get("/livez", headers={"Host": "evil.example"}), 400)["detail"]


def test_answers_tell_browsers_to_be_careful(api: TestClient) -> None:
    headers = api.get("/jobs").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_a_database_that_is_gone_is_a_503_and_no_wrong_answer(
    api: TestClient, settings: Settings, store: Store
) -> None:
    submit(store)
    (settings.home / "tenfold.sqlite3").rename(settings.home / "elsewhere")
    (settings.home / "tenfold.sqlite3").mkdir()
    api.app.state.dependencies.store.database.close()  # type: ignore[attr-defined]
    answer = api.get("/jobs")
    assert "nothing was changed" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
    problem(api.post("/jobs", json={"dataset": "digits"}), 503)
    assert api.get("/readyz").json()["database"] is False


def test_every_route_declares_its_errors_and_says_what_it_does(api: TestClient) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert route["summary"], f"{method} {path}"
            assert route["description"], f"{method} {path}"
            for status, answer in route["responses"].items():
                if status >= "400" and (path, status) != ("/readyz", "503"):
                    assert "application/problem+json" in answer["content"], f"{method} {path} {status}"
