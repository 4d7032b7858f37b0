"""Clients of other model servers, unmodified, against the API as a program of its own."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from models import inference
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.pixels import images
from tests.records import succeeded, weights
from tests.running import serving

CLIENTS = os.environ.get("MODEL_CLIENTS")
NETWORK = inference.read(weights(seed=0))
EXPECTED = NETWORK.logits(images(3))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an API with one model."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    store = Store.open(settings).of(DEFAULT)
    succeeded(store, Artifacts(settings.artifacts))
    store.database.close()
    with serving(home, processes=1) as (address, _):
        yield address


def pixels(module: Any, *, binary: bool) -> Any:
    tensor = module.InferInput("pixels", [3, 28, 28], "UINT8")
    tensor.set_data_from_numpy(images(3), binary_data=binary)
    return tensor


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_triton_s_client_reads_digits(url: str, sent: bool, asked: bool, compression: str | None) -> None:
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        result = client.infer(
            "mnist",
            [pixels(triton, binary=sent)],
            outputs=[triton.InferRequestedOutput(name, binary_data=asked) for name in ("digit", "logits")],
            request_id="7",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
    np.testing.assert_allclose(result.as_numpy("logits"), EXPECTED, rtol=0, atol=1e-4)
    assert result.as_numpy("digit").tolist() == EXPECTED.argmax(axis=1).tolist()
    assert result.get_response()["id"] == "7"


def test_triton_s_client_finds_its_way(url: str) -> None:
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("mnist")
        assert not client.is_model_ready("none")
        assert "statistics" in client.get_server_metadata()["extensions"]
        assert client.get_model_metadata("mnist")["inputs"][0]["name"] == "pixels"
        assert client.get_model_config("mnist")["input"][0]["name"] == "pixels"
        assert client.get_model_repository_index()[0]["name"] == "mnist"
        client.unload_model("mnist")
        client.load_model("mnist")
        assert client.get_inference_statistics("mnist")["model_stats"][0]["name"] == "mnist"
        classes = triton.InferRequestedOutput("logits", class_count=2)
        found = client.infer("mnist", [pixels(triton, binary=True)], outputs=[classes]).as_numpy("logits")
        assert found.shape == (3, 2)
        with pytest.raises(InferenceServerException, match="there is no model and no job called none"):
            client.load_model("none")
        with pytest.raises(InferenceServerException, match="Not Found"):
            client.get_trace_settings()


def test_triton_s_asynchronous_client_reads_digits(url: str) -> None:
    async def read(sent: bool) -> Any:
        async with triton_aio.InferenceServerClient(url.removeprefix("http://")) as client:
            assert await client.is_server_ready()
            assert (await client.get_model_metadata("mnist"))["name"] == "mnist"
            await client.load_model("mnist")
            assert await client.get_model_repository_index()
            return (await client.infer("mnist", [pixels(triton_aio, binary=sent)])).as_numpy("logits")

    for sent in (True, False):
        np.testing.assert_allclose(asyncio.run(read(sent)), EXPECTED, rtol=0, atol=1e-4)


_KSERVE = """
import asyncio, sys
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
async def main():
    for protocol in ("v2", "v1"):
        client = InferenceRESTClient(RESTConfig(protocol=protocol))
        if protocol == "v2":
            assert await client.is_server_ready(sys.argv[1])
            asked = InferRequest("mnist", [InferInput("pixels", [1, 784], "UINT8", data=[0] * 784)])
        else:
            asked = {"instances": [[0] * 784]}
        assert await client.is_model_ready(sys.argv[1], "mnist")
        print(await client.infer(sys.argv[1], asked, model_name="mnist"))
asyncio.run(main())
"""
_MLFLOW = """
import sys
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
client = ScoringServerClient("127.0.0.1", int(sys.argv[1].rpartition(":")[2]))
client.wait_server_ready(timeout=20)
print(client.invoke([[0] * 784]).get_predictions())
"""


@pytest.mark.skipif(CLIENTS is None, reason="MODEL_CLIENTS names no environment with them: see docs/clients.md")
@pytest.mark.parametrize("script", [_KSERVE, _MLFLOW], ids=["kserve", "mlflow"])
def test_clients_that_do_not_install_beside_ours_read_digits(url: str, script: str) -> None:
    python = Path(CLIENTS or "") / "bin" / "python"
    done = subprocess.run([python, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "digit" in done.stdout


def _program(name: str) -> str:
    program = Path(CLIENTS or "") / "bin" / name
    if CLIENTS is None or not program.exists():
        pytest.skip(f"MODEL_CLIENTS names no environment with {name}: see docs/clients.md")
    return str(program)


def test_mlserver_infer_reads_a_file_of_requests(url: str, tmp_path: Path) -> None:
    asked, answered = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 784]}
    requests = [{"id": str(ink), "inputs": [{**tensor, "data": [ink] * 784}]} for ink in (0, 128, 255)]
    asked.write_text("".join(json.dumps(request) + "\n" for request in requests))
    command = [_program("mlserver"), "infer", "-u", url.removeprefix("http://"), "-m", "mnist"]
    done = subprocess.run(
        [*command, "-i", str(asked), "-o", str(answered)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = {answer["id"]: answer for answer in map(json.loads, answered.read_text().splitlines())}
    pixels = np.repeat(np.array([0, 128, 255], np.uint8), 784).reshape(3, 28, 28)
    logits = [answers[str(ink)]["outputs"][0]["data"] for ink in (0, 128, 255)]
    np.testing.assert_allclose(logits, NETWORK.logits(pixels), rtol=0, atol=1e-4)


def test_perf_analyzer_measures(url: str) -> None:
    measuring = ["--concurrency-range", "2", "--measurement-interval", "500", "--stability-percentage", "999"]
    command = [_program("perf_analyzer"), "-m", "mnist", "-u", url.removeprefix("http://"), "-i", "http", *measuring]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "infer/sec" in done.stdout
