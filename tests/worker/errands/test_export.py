"""Exports of versions: what is written, served and refused."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from typer.testing import CliRunner, Result

from models.calibration import softmax
from models.export.onnx_file import to_onnx
from models.inference import read
from models.predict_onnx import OnnxNetwork
from service.api.app import create_app
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.cli.main import app as command_line
from service.settings import Settings
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import Findings
from tests.answers import problem
from tests.forms import LETTERS, TITANIC, TITANIC_PLAN, weights_of
from tests.records import damage, succeeded, weights
from worker.errands.export import _WRITERS, export

TEMPERATURE = 1.7
PIXELS = np.random.default_rng(2).integers(0, 256, (7, 28, 28), np.uint8)
LINK = "/models/mnist/versions/1/export"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is exported."""
    return sqlite_url


@pytest.fixture
def version(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, temperature=TEMPERATURE)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings())


@pytest.fixture
def api(app: FastAPI, settings: Settings, version: None) -> Any:
    app.state.settings = settings
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def expected() -> tuple[Any, Any]:
    logits = read(weights(seed=0)).logits(PIXELS)
    return logits, softmax(logits, TEMPERATURE)


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_a_file_that_is_gone_is_told_without_telling_where_files_are_kept(
    api: TestClient, store: Store, artifacts: Artifacts, form: str
) -> None:
    pointer = store.files.get("models/mnist/1", "weights.safetensors")
    assert pointer is not None
    artifacts.path(pointer.key).unlink()
    detail = problem(api.get(f"{LINK}.{form}"), 500)["detail"]
    assert pointer.key in detail
    assert str(artifacts.folder) not in detail


def test_the_weights_are_downloaded_as_they_are(api: TestClient) -> None:
    answer = api.get(f"{LINK}.safetensors")
    assert answer.content == weights(seed=0)
    assert answer.headers["content-disposition"] == 'attachment; filename="mnist-1.safetensors"'
    again = api.get(f"{LINK}.safetensors", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_an_onnx_file_gives_what_predict_gives(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    export("mnist", 1, "onnx", store, artifacts)
    answer = api.get(f"{LINK}.onnx")
    assert answer.headers["content-disposition"] == 'attachment; filename="mnist-1.onnx"'
    logits, probabilities, labels = OnnxNetwork(answer.content).predict({"pixels": PIXELS})
    assert labels.tolist() == [str(place) for place in expected()[1].argmax(axis=1)]
    np.testing.assert_allclose(logits, expected()[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(probabilities, expected()[1], rtol=0, atol=1e-5)
    served = api.post(
        "/predict", content=PIXELS.tobytes(), headers={"Content-Type": "application/octet-stream"}
    ).json()["predictions"]
    np.testing.assert_allclose(probabilities, [its["probabilities"] for its in served], rtol=0, atol=1e-5)


def test_a_program_of_torch_gives_it_too(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    export("mnist", 1, "pt2", store, artifacts)
    program = torch.export.load(io.BytesIO(api.get(f"{LINK}.pt2").content)).module()
    with torch.inference_mode():
        logits, probabilities = program(torch.from_numpy(PIXELS))
    np.testing.assert_allclose(logits.numpy(), expected()[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(probabilities.numpy(), expected()[1], rtol=0, atol=1e-5)


def test_a_table_s_files_are_had_where_they_are_linked_and_give_what_predict_gives(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts, file=weights_of(TITANIC, TITANIC_PLAN), model="titanic", temperature=TEMPERATURE)
    links = api.get("/models/titanic/versions/1").json()["links"]
    row = {"Pclass": "9", "Sex": "female", "Age": None, "alone": "yes"}
    served = api.post("/predict?model=titanic", json={"row": row}).json()
    for form in ("onnx", "pt2"):
        export("titanic", 1, form, store, artifacts)
    given = {name: np.array([[value]], object) for name, value in row.items() if name != "Age"}
    network = OnnxNetwork(api.get(links["onnx"]).content)
    found = network.predict({**given, "Age": np.array([[np.nan]])})
    assert found.labels.tolist() == [served["label"]]
    np.testing.assert_allclose(found.probabilities[0], served["probabilities"], rtol=0, atol=1e-5)
    program = torch.export.load(io.BytesIO(api.get(links["pt2"]).content)).module()
    _, probabilities = program(torch.tensor([[-1.0, 0.0, np.nan, 1.0]], dtype=torch.float64))
    np.testing.assert_allclose(probabilities[0], served["probabilities"], rtol=0, atol=1e-5)


def test_a_file_is_written_once_and_goes_with_its_version(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for _ in range(2):
        export("mnist", 1, "onnx", store, artifacts)
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    assert api.delete("/models/mnist/aliases/champion").status_code == 204
    assert api.delete("/models/mnist/versions/1").status_code == 204
    assert problem(api.get(f"{LINK}.onnx"), 404)
    export("mnist", 1, "onnx", store, artifacts)
    assert not (artifacts.folder / "models").exists() or not list((artifacts.folder / "models").iterdir())
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_while_nobody_can_write_it_there_is_none(api: TestClient) -> None:
    answer = api.get(f"{LINK}.onnx")
    assert "broker" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1


def test_why_a_file_cannot_be_written_is_told_and_who_asks_again_is_answered_anew(
    api: TestClient, store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "onnx", None)
        export("mnist", 1, "onnx", store, artifacts)
    assert "pip install 'tenfold[export]'" in problem(api.get(f"{LINK}.onnx"), 409)["detail"]
    export("mnist", 1, "onnx", store, artifacts)
    assert api.get(f"{LINK}.onnx").status_code == 200
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_of_weights_that_were_damaged_nothing_is_written(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    damage(store, artifacts, "mnist", 1)
    assert "damaged" in problem(api.get(f"{LINK}.onnx"), 500)["detail"]
    export("mnist", 1, "onnx", store, artifacts)  # what happens to them while a worker is asked
    assert "damaged" in problem(api.get(f"{LINK}.onnx"), 409)["detail"]


@pytest.mark.usefixtures("version")
def test_whatever_a_writer_raises_whoever_asks_is_told(
    api: TestClient, store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object) -> bytes:
        raise RuntimeError("this network has too many corners")

    monkeypatch.setitem(_WRITERS, "pt2", give_up)
    export("mnist", 1, "pt2", store, artifacts)
    assert "RuntimeError: this network has too many corners" in problem(api.get(f"{LINK}.pt2"), 409)["detail"]


def test_a_version_that_is_deleted_meanwhile_is_not_called_damaged(
    api: TestClient, store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(_: Artifacts, key: str, sha256: str) -> bytes:
        store.aliases.delete("mnist", "champion")
        artifacts.remove(store.models.delete("mnist", 1) or ())
        raise FileNotFoundError(key, sha256)

    # Nobody else gets between the pointer and the file that it points to.
    monkeypatch.setattr(Artifacts, "read", deleted)
    problem(api.get(f"{LINK}.onnx"), 404)


def test_an_ensemble_is_exported_member_by_member(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, seed=1)
    members = [("mnist", 1), ("mnist", 2)]
    assert store.ensembles.make("both", members, Findings(), val_accuracy=0.5, promotion=Promotion("never"))
    assert "one by one" in problem(api.get("/models/both/versions/1/export.onnx"), 409)["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/mnist/versions/9/export.onnx", 404),
        ("/models/nobody/versions/1/export.onnx", 404),
        ("/models/mnist/versions/1/export.exe", 422),
        ("/models/mnist/versions/0/export.onnx", 422),
    ],
)
def test_what_is_not_there_is_not_exported(api: TestClient, path: str, status: int) -> None:
    assert problem(api.get(path), status)


class TestCommand:
    """`tenfold predict --onnx`."""

    @pytest.fixture
    def picture(self, tmp_path: Path) -> Path:
        digit = np.zeros((28, 28), np.uint8)
        digit[4:24, 13:15] = 255
        path = tmp_path / "one.png"
        Image.fromarray(digit).save(path)
        return path

    def predict(self, onnx: Path, *files: Path) -> Result:
        return CliRunner().invoke(command_line, ["predict", "--onnx", str(onnx), *map(str, files)])

    def predict_alone(self, onnx: Path, *files: Path) -> "subprocess.CompletedProcess[str]":
        """Do so as a program, which loads no more than it needs."""
        code = (
            "import sys; from service.cli.main import app\n"
            "try: app()\n"
            "finally: assert not {'torch', 'fastapi'} & set(sys.modules), 'it loads what it does not need'"
        )
        command = [sys.executable, "-c", code, "predict", "--onnx", str(onnx), *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_it_reads_pictures_without_torch(
        self, api: TestClient, store: Store, artifacts: Artifacts, tmp_path: Path, picture: Path
    ) -> None:
        export("mnist", 1, "onnx", store, artifacts)
        file = tmp_path / "version.onnx"
        file.write_bytes(api.get(f"{LINK}.onnx").content)
        served = api.post("/predict", content=picture.read_bytes(), headers={"Content-Type": "image/png"}).json()
        run = self.predict_alone(file, picture, picture)
        line = f"{picture}: {served['digit']} ({max(served['probabilities']):.1%})\n"
        assert (run.returncode, run.stdout) == (0, line * 2), run.stderr

    def test_it_reads_the_others_when_one_picture_cannot_be_read(
        self, api: TestClient, store: Store, artifacts: Artifacts, tmp_path: Path, picture: Path
    ) -> None:
        export("mnist", 1, "onnx", store, artifacts)
        file = tmp_path / "version.onnx"
        file.write_bytes(api.get(f"{LINK}.onnx").content)
        run = self.predict(file, tmp_path / "nothing.png", picture)
        assert run.exit_code == 1
        assert run.stdout.startswith(f"{picture}: ")
        assert run.stderr.startswith(f"{tmp_path / 'nothing.png'}: ")

    def test_it_reads_pictures_of_any_form_as_the_service_does(
        self, api: TestClient, store: Store, artifacts: Artifacts, tmp_path: Path, picture: Path
    ) -> None:
        succeeded(store, artifacts, file=weights_of(LETTERS), model="letters")
        file = tmp_path / "letters.onnx"
        file.write_bytes(to_onnx(weights_of(LETTERS)))
        served = api.post(
            "/predict?model=letters", content=picture.read_bytes(), headers={"Content-Type": "image/png"}
        ).json()
        run = self.predict(file, picture)
        line = f"{picture}: {served['label']} ({max(served['probabilities']):.1%})\n"
        assert (run.exit_code, run.stdout) == (0, line), run.stderr

    def test_it_reads_rows_and_tells_what_was_made_of_them(
        self, api: TestClient, store: Store, artifacts: Artifacts, tmp_path: Path
    ) -> None:
        succeeded(store, artifacts, file=weights_of(TITANIC, TITANIC_PLAN), model="titanic")
        file, rows, wrong = tmp_path / "titanic.onnx", tmp_path / "rows.csv", tmp_path / "wrong.csv"
        file.write_bytes(to_onnx(weights_of(TITANIC, TITANIC_PLAN)))
        text = "Name;Age;Sex;Pclass;alone\nJohn;22,5;male;3;1\nJane;;diverse;1;no\n"
        rows.write_text(text, encoding="utf-8-sig")
        wrong.write_text("Age,Sex\nold,male\n")
        served = api.post(
            "/predict?model=titanic", content=rows.read_bytes(), headers={"Content-Type": "text/csv"}
        ).json()["predictions"]
        run = self.predict_alone(file, wrong, rows)
        assert run.returncode == 1
        assert run.stderr.startswith(f"{wrong}: line 2")
        assert "old" in run.stderr
        assert run.stdout.splitlines() == [
            f"{rows}, row {number}: {its['label']} ({max(its['probabilities']):.1%})"
            for number, its in enumerate(served, start=1)
        ]
        assert run.stderr.splitlines()[1:] == [
            f"{rows}: Name: not used, in 2 rows",
            f"{rows}: Sex: 'diverse' is no level that was learned from, in 1 row",
            f"{rows}: Age: missing, taken as 28.0, in 1 row",
        ]
        rows.write_text(text, encoding="utf-16")
        again = self.predict(file, wrong, rows)
        assert (again.exit_code, again.stdout, again.stderr) == (1, run.stdout, run.stderr)

    def test_a_table_that_is_no_text_or_has_no_row_is_told(self, tmp_path: Path) -> None:
        file, binary, empty = tmp_path / "titanic.onnx", tmp_path / "rows.xlsx", tmp_path / "empty.csv"
        file.write_bytes(to_onnx(weights_of(TITANIC, TITANIC_PLAN)))
        binary.write_bytes(b"PK\x03\x04\xff\xfe")
        empty.write_text("Age,Sex\n")
        run = self.predict(file, binary, empty, tmp_path / "nothing.csv")
        assert (run.exit_code, run.stdout) == (1, "")
        told = run.stderr.splitlines()
        assert [line.partition(": ")[0] for line in told] == [
            str(its) for its in (binary, empty, tmp_path / "nothing.csv")
        ]
        assert "UTF-8" in told[0]

    def test_a_file_of_before_says_nothing_of_itself_and_goes_on_working(
        self, api: TestClient, tmp_path: Path, picture: Path
    ) -> None:
        model = onnx_format.load_from_string(to_onnx(weights(seed=0)))
        del model.metadata_props[:]
        label = next(its for its in model.graph.output if its.name == "label")
        model.graph.output.remove(label)
        file = tmp_path / "before.onnx"
        file.write_bytes(model.SerializeToString())
        served = api.post("/predict", content=picture.read_bytes(), headers={"Content-Type": "image/png"}).json()
        assert self.predict(file, picture).stdout.startswith(f"{picture}: {served['digit']} (")

    def test_what_it_cannot_read_is_told_in_a_line(self, tmp_path: Path, picture: Path) -> None:
        nonsense = tmp_path / "nonsense.onnx"
        nonsense.write_bytes(b"something else")
        for onnx, image in ((tmp_path / "nothing.onnx", picture), (nonsense, picture), (nonsense, nonsense)):
            run = self.predict(onnx, image)
            assert (run.exit_code, run.stdout) == (1, "")
            assert len(run.stderr.strip().splitlines()) == 1, run.stderr
