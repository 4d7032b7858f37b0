"""A weights file -> the same network for programs of others: ONNX, and an exported program of torch.

Both take images uint8 [N, 28, 28], ink light (255) on dark, in any number N; normalisation is part of them. Both give
`logits` and `probabilities`, float32 [N, 10].
"""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.checkpoints import unpack_weights
from models.data.schema import is_as_mnist
from models.inference import LAYER_NORM_EPSILON, Network, metadata, read
from models.networks import MLP, NMLP
from models.predict_onnx import predict
from models.spec import CLASSES, PIXELS

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 21, 10  # of 2024: newer ones have nothing that is needed here, and fewer runtimes read them
TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where all are smaller: how far ONNX Runtime's may be from torch's."""

_CHECKED_IMAGES = 64


class Served(nn.Module):
    """A network in evaluation mode that takes pixels as they are, and gives logits and probabilities."""

    def __init__(self, network: nn.Module, *, mean: float, deviation: float, temperature: float) -> None:
        super().__init__()
        self.network, self.mean, self.deviation = network.eval().requires_grad_(False), mean, deviation
        self.temperature = temperature
        self.eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits and probabilities, float32 [N, 10] of images [N, 28, 28]."""
        logits = self.network((pixels.to(torch.float32) - self.mean) / self.deviation)
        return logits, (logits / self.temperature).softmax(dim=1)


def require_exported(network: Network) -> None:
    """Raise ValueError for a network that is not written in these forms yet: they are for MNIST's form."""
    if not is_as_mnist(network.schema):
        raise ValueError(
            "networks are exported that take pictures of 28 x 28 grey pixels in ten classes; this one is "
            "of another form: ask it by POST /predict, or take its weights, export.safetensors"
        )


def to_onnx(weights: bytes, temperature: float = 1.0) -> bytes:
    """Give the ONNX file of a weights file, after ONNX Runtime has given with it what torch gives.

    Its probabilities are those of the logits divided by the temperature. Written node by node: a dozen are enough, and
    nothing is traced. Raises ValueError for what is no weights file, without the packages of the extra `export`, or
    where the two differ by more than 1e-4.
    """
    try:
        import onnx
    except ImportError as error:
        raise ValueError(
            "ONNX files need packages that are not installed here: pip install 'tenfold[export]'"
        ) from error
    network = read(weights)
    require_exported(network)
    model = _model(network, temperature)
    onnx.checker.check_model(model, full_check=True)
    file: bytes = model.SerializeToString()
    pixels = np.random.default_rng(0).integers(0, 256, (_CHECKED_IMAGES, 28, 28), dtype=np.uint8)
    with torch.inference_mode():
        expected = [output.numpy() for output in served(weights, temperature)(torch.from_numpy(pixels))]
    for name, ours, theirs in zip(("logits", "probabilities"), expected, predict(file, pixels), strict=True):
        off = float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(ours).max()))
        if not off <= TOLERANCE:  # NaN is not
            raise ValueError(
                f"ONNX Runtime's {name} differ from torch's by {off:.3g} of the largest; nothing is exported"
            )
    return file


def to_pt2(weights: bytes, temperature: float = 1.0) -> bytes:
    """Give the file of an exported program, which `torch.export.load` reads without any code of ours.

    Its probabilities are those of the logits divided by the temperature. Raises ValueError for what is no weights file.
    """
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    shapes = {"pixels": {0: torch.export.Dim("images")}}
    program = torch.export.export(served(weights, temperature), (example,), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def served(weights: bytes, temperature: float = 1.0) -> Served:
    """Build the module that a weights file describes; raises ValueError for anything else."""
    network, about = read(weights), metadata(weights)
    require_exported(network)
    sizes = [layer.weight.shape[1] for layer in network.layers[:-1]]
    module = NMLP(*sizes, dropout=0.0) if about["architecture"] == "nmlp" else MLP(*sizes)
    try:
        module.load_state_dict(unpack_weights(weights))
    except RuntimeError as error:
        raise ValueError(f"these are not the weights of a network that is known here: {error}") from error
    return Served(module, mean=float(about["mean"]), deviation=float(about["deviation"]), temperature=temperature)


def _model(network: Network, temperature: float) -> "ModelProto":
    from onnx import TensorProto, helper, numpy_helper

    arrays: dict[str, NDArray[Any]] = {
        "shape": np.array([-1, PIXELS], np.int64),
        "temperature": np.array(temperature, np.float32),
    }
    nodes = []

    def add(kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    x = add("Cast", "numbers", "pixels", to=TensorProto.FLOAT)
    x = add("Reshape", "rows", x, "shape")
    for number, layer in enumerate(network.layers, start=1):
        is_last = number == len(network.layers)
        linear, norm = f"linear{number}", f"norm{number}"
        arrays[f"{linear}.weight"], arrays[f"{linear}.bias"] = layer.weight, layer.bias
        x = add("Gemm", "logits" if is_last else linear, x, f"{linear}.weight", f"{linear}.bias")
        if layer.gain is not None and layer.shift is not None:
            arrays[f"{norm}.weight"], arrays[f"{norm}.bias"] = layer.gain, layer.shift
            inputs = (x, f"{norm}.weight", f"{norm}.bias")
            x = add("LayerNormalization", norm, *inputs, axis=-1, epsilon=float(LAYER_NORM_EPSILON))
        if not is_last:
            x = add("Relu", f"relu{number}", x)
    add("Softmax", "probabilities", add("Div", "calibrated", x, "temperature"), axis=1)
    graph = helper.make_graph(
        nodes,
        "tenfold",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["images", 28, 28])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["images", CLASSES])
            for name in ("logits", "probabilities")
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, producer_name="tenfold", ir_version=IR_VERSION, opset_imports=opsets)
