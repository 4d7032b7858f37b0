"""Clients of other model servers, unmodified, ask a table of mixed columns, 47 named classes, and colour pictures."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from models import inference
from models.data.schema import Images, Table
from models.images import to_png
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.forms import TITANIC, TITANIC_PLAN, stored, weights_of
from tests.records import succeeded
from tests.running import serving

CLIENTS = os.environ.get("MODEL_CLIENTS")
SIGNS = Images(height=16, width=16, preparation="plain", classes=tuple(f"sign {number:02}" for number in range(47)))
FLAGS = Images(height=8, width=6, channels=3, preparation="plain", classes=("Chad", "Mali", "Peru"))
FORMS: dict[str, Images | Table] = {"signs": SIGNS, "flags": FLAGS, "titanic": TITANIC}
FILES = {name: weights_of(schema, TITANIC_PLAN if name == "titanic" else None) for name, schema in FORMS.items()}
NETWORKS = {name: inference.read(file) for name, file in FILES.items()}

PEOPLE = {
    "Sex": ("BYTES", np.array(["female", "male", "male"], object)),
    "Age": ("FP64", np.array([38.0, np.nan, 2.5])),
    "alone": ("BOOL", np.array([False, True, False])),
    "Pclass": ("BYTES", np.array(["1", "3", "2"], object)),
}
AS_STORED = np.array([[0, 0, 38, 0], [2, 1, np.nan, 1], [1, 1, 2.5, 0]])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an API with a model of each form."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    store = Store.open(settings).of(DEFAULT)
    for name, file in FILES.items():
        succeeded(store, Artifacts(settings.artifacts), model=name, file=file)
    store.database.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENFOLD_DEFAULT_MODEL", "titanic")
        with serving(home, processes=1) as (address, _):
            yield address


def examples(name: str) -> Any:
    return AS_STORED if name == "titanic" else stored(FORMS[name], 3)


def labels(name: str) -> list[str]:
    network = NETWORKS[name]
    logits = network.logits(inference.taken_in(examples(name), network.plan))
    return [network.classes[best] for best in logits.argmax(axis=1)]


def tensors(name: str, *, binary: bool) -> list[Any]:
    if name != "titanic":
        values = examples(name)
        tensor = triton.InferInput("pixels", values.shape, "UINT8")
        tensor.set_data_from_numpy(values, binary_data=binary)
        return [tensor]
    inputs = []
    for column, (kind, values) in PEOPLE.items():
        tensor = triton.InferInput(column, [3, 1], kind)
        tensor.set_data_from_numpy(values.reshape(3, 1), binary_data=binary)
        inputs.append(tensor)
    return inputs


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("name", FORMS)
def test_triton_s_client_is_given_names(url: str, name: str, asked: bool) -> None:
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        described = {one["name"]: one for one in client.get_model_metadata(name)["outputs"]}
        assert described["label"]["datatype"] == "BYTES"
        assert client.get_model_config(name)["output"][1]["dims"] == [len(FORMS[name].classes)]
        outputs = [
            triton.InferRequestedOutput("label", binary_data=asked),
            triton.InferRequestedOutput("probabilities", binary_data=asked, class_count=2),
        ]
        for sent in (True, False):
            result = client.infer(name, tensors(name, binary=sent), outputs=outputs)
            found = [text if isinstance(text, str) else text.decode() for text in result.as_numpy("label")]
            assert found == labels(name)
            best = [str(row[0], "utf-8") if asked else row[0] for row in result.as_numpy("probabilities")]
            assert [str(text).rpartition(":")[2].strip("'") for text in best] == labels(name)
        if name == "titanic":
            (note,) = json.loads(result.get_response()["parameters"]["notes"])
            assert (note["row"], note["column"], note["kind"]) == (1, "Age", "missing")
        else:
            files = np.array([to_png(picture) for picture in examples(name)], object)
            tensor = triton.InferInput("image", [3], "BYTES")
            tensor.set_data_from_numpy(files, binary_data=True)
            found = client.infer(name, [tensor], outputs=outputs[:1]).as_numpy("label").tolist()
            assert [text if isinstance(text, str) else text.decode() for text in found] == labels(name)
        tensor = triton.InferInput("none", [1, 5], "FP32")
        tensor.set_data_from_numpy(np.zeros((1, 5), np.float32), binary_data=asked)
        with pytest.raises(InferenceServerException, match=f"{name}/1"):
            client.infer(name, [tensor])


_KSERVE = """
import asyncio, base64, json, sys
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
asked = json.load(sys.stdin)
async def main():
    v1, v2 = (InferenceRESTClient(RESTConfig(protocol=protocol)) for protocol in ("v1", "v2"))
    found = {}
    for name, instances in asked["instances"].items():
        answer = await v1.infer(sys.argv[1], {"instances": instances}, model_name=name)
        found["v1", name] = [one["label"] for one in answer["predictions"]]
    for name, tensors in asked["tensors"].items():
        inputs = [InferInput(one["name"], one["shape"], one["datatype"], data=one["data"]) for one in tensors]
        answer = await v2.infer(sys.argv[1], InferRequest(name, inputs), model_name=name)
        (label,) = [output for output in answer.outputs if output.name == "label"]
        found["v2", name] = label.data
    print(json.dumps([[*key, value] for key, value in found.items()]))
asyncio.run(main())
"""
_MLFLOW = """
import json, sys
import numpy as np, pandas as pd, requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
frame = pd.DataFrame({"Sex": ["female", "male", "male"], "Age": [38.0, np.nan, 2.5], "alone": [False, True, False],
                      "Pclass": ["1", "3", "2"]})
client = ScoringServerClient("127.0.0.1", int(sys.argv[1].rpartition(":")[2]))
client.wait_server_ready(timeout=20)
found = [client.invoke(frame).get_predictions()["label"].tolist()]
for body in ({"dataframe_split": json.loads(frame.to_json(orient="split"))},
             {"dataframe_records": json.loads(frame.to_json(orient="records"))}):
    answer = requests.post(sys.argv[1] + "/invocations", json=body, timeout=20)
    found.append([one["label"] for one in answer.json()["predictions"]])
csv = {"data": frame.to_csv(), "headers": {"Content-Type": "text/csv"}}
answer = requests.post(sys.argv[1] + "/invocations", **csv, timeout=20)
found.append([one["label"] for one in answer.json()["predictions"]])
print(json.dumps(found))
"""


def asked_of_clients(script: str, url: str, given: Any = None) -> Any:
    if CLIENTS is None:
        pytest.skip("MODEL_CLIENTS names no environment with them: see docs/clients.md")
    command = [str(Path(CLIENTS) / "bin" / "python"), "-c", script, url]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_kserve_s_client_is_given_names(url: str) -> None:
    columns = {name: [None if cell != cell else cell for cell in its.tolist()] for name, (_, its) in PEOPLE.items()}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    pictures = {name: examples(name) for name in ("signs", "flags")}
    given = {
        "instances": {"titanic": rows, **{name: its.tolist() for name, its in pictures.items()}},
        "tensors": {
            "titanic": [
                {"name": name, "shape": [3, 1], "datatype": PEOPLE[name][0], "data": cells}
                for name, cells in columns.items()
            ],
            **{
                name: [{"name": "x", "shape": list(its.shape), "datatype": "UINT8", "data": its.ravel().tolist()}]
                for name, its in pictures.items()
            },
        },
    }
    found = asked_of_clients(_KSERVE, url, given)
    assert len(found) == 6
    for protocol, name, its in found:
        assert its == labels(name), (protocol, name)


def test_mlflow_s_client_is_given_names_for_a_frame_with_strings(url: str) -> None:
    assert asked_of_clients(_MLFLOW, url) == [labels("titanic")] * 4
