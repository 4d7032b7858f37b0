import io
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from models import inference
from models.export.onnx_file import to_onnx
from models.export.program import to_pt2
from models.inference import Network
from tests.models.networks import NETWORKS, NO_WEIGHTS, network_and_file, random_pixels

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]


def by_onnx(file: bytes, pixels: NDArray[np.uint8]) -> Outputs:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    return logits, probabilities


def by_torch(file: bytes, pixels: NDArray[np.uint8]) -> Outputs:
    program = torch.export.load(io.BytesIO(file)).module()
    with torch.inference_mode():
        logits, probabilities = program(torch.from_numpy(pixels))
    return logits.numpy(), probabilities.numpy()


def assert_predicts_as(network: Network, outputs: Outputs, pixels: NDArray[np.uint8]) -> None:
    logits, probabilities = outputs
    assert logits.dtype == probabilities.dtype == np.float32
    np.testing.assert_allclose(logits, network.logits(pixels), rtol=0, atol=1e-5)
    np.testing.assert_allclose(probabilities, network.probabilities(pixels), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_onnx_file_predicts_what_we_predict_for_any_number_of_images(kind: str) -> None:
    _, weights = network_and_file(*NETWORKS[kind], seed=1)
    file = to_onnx(weights)
    for count in (0, 1, 7):
        pixels = random_pixels(count)
        assert_predicts_as(inference.read(weights), by_onnx(file, pixels), pixels)


@pytest.mark.parametrize("kind", ["mlp", "nmlp"])
def test_an_exported_program_predicts_what_we_predict_for_any_number_of_images(kind: str) -> None:
    _, weights = network_and_file(*NETWORKS[kind], seed=1)
    file = to_pt2(weights)
    for count in (0, 1, 7):
        pixels = random_pixels(count)
        assert_predicts_as(inference.read(weights), by_torch(file, pixels), pixels)


def test_an_onnx_file_says_what_it_takes_and_gives() -> None:
    model = onnx.load_from_string(to_onnx(network_and_file("nmlp", (6, 5), seed=0)[1]))
    (taken,) = model.graph.input
    shape = taken.type.tensor_type.shape.dim
    assert (taken.name, taken.type.tensor_type.elem_type) == ("pixels", onnx.TensorProto.UINT8)
    assert [shape[0].dim_param, shape[1].dim_value, shape[2].dim_value] == ["images", 28, 28]
    assert [given.name for given in model.graph.output] == ["logits", "probabilities", "label"]
    assert {"linear1.weight", "norm2.bias", "linear3.bias"} <= {tensor.name for tensor in model.graph.initializer}


def test_equal_weights_are_equal_onnx_bytes() -> None:
    _, weights = network_and_file("nmlp", (6, 5), seed=0)
    assert len({to_onnx(weights) for _ in range(5)}) == 1


def test_an_exported_program_needs_no_code_of_ours() -> None:
    file = to_pt2(network_and_file("nmlp", (6, 5), seed=0)[1])
    program = (
        "import io, sys, torch; program = torch.export.load(io.BytesIO(sys.stdin.buffer.read())).module(); "
        "program(torch.zeros(3, 28, 28, dtype=torch.uint8)); sys.exit('models' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], input=file, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


def test_a_network_whose_outputs_are_no_numbers_is_not_exported() -> None:
    _, weights = network_and_file("mlp", (5,), seed=0, scale=float("nan"))
    with pytest.raises(ValueError, match="ONNX Runtime's logits differ from ours by nan"):
        to_onnx(weights)


@pytest.mark.parametrize("what", NO_WEIGHTS)
def test_what_is_no_weights_file_is_not_exported(what: str) -> None:
    for exported in (to_onnx, to_pt2):
        with pytest.raises(ValueError, match=r"^this is no weights file of a trained network: "):
            exported(NO_WEIGHTS[what])


def test_without_its_packages_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"pip install 'tenfold\[export\]'"):
        to_onnx(network_and_file("mlp", (5,), seed=0)[1])
