"""Nodes and numbers of an ONNX graph while it is written, and what of it is alike for pictures and for rows."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.export.forms import OUTPUTS
from models.inference import LAYER_NORM_EPSILON, Network

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

OPSET, ML_OPSET, IR_VERSION = 21, 3, 10
"""Of 2024: newer ones have nothing that is needed here, and fewer runtimes read them."""


class Graph:
    """A graph whose values are called as they are said, or with a tick behind where an input has that name already."""

    def __init__(self, inputs: Iterable[str] = ()) -> None:
        self._inputs = frozenset(inputs)
        self._nodes: list[Any] = []
        self._arrays: dict[str, NDArray[Any]] = {}

    def add(self, kind: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and give the name of that."""
        from onnx import helper

        name = self._free(name)
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def look_up(self, name: str, what: str, **attributes: Any) -> str:
        """Add what looks up keys, and give the name of what they stand for."""
        return self.add("LabelEncoder", name, what, domain="ai.onnx.ml", **attributes)

    def array(self, name: str, values: Any, kind: Any) -> str:
        """Add numbers, and give their name; those of one name are one."""
        name = self._free(name)
        self._arrays[name] = np.asarray(values, kind)
        return name

    def cast(self, name: str, what: str) -> str:
        """Add a conversion to float32."""
        from onnx import TensorProto

        return self.add("Cast", name, what, to=TensorProto.FLOAT)

    def refused(self, name: str, is_taken: str) -> str:
        """Give 0 where something may be taken, and NaN where not."""
        zero, nan = self.array("zero", 0.0, np.float32), self.array("nan", np.nan, np.float32)
        return self.add("Where", name, is_taken, zero, nan)

    def total(self, name: str, what: str) -> str:
        """Add up along the second axis, which stays."""
        return self.add("ReduceSum", name, what, self.array("second", [1], np.int64), keepdims=1)

    def end(self, network: Network, x: str, refusals: str | None, temperature: float) -> None:
        """Add the layers after the numbers `x` [n, D] that go in, and the outputs.

        `refusals` [n, 1] are NaN where nothing is to be answered, and 0 elsewhere.
        """
        for number, layer in enumerate(network.layers, start=1):
            is_last = number == len(network.layers)
            linear, norm = f"linear{number}", f"norm{number}"
            weight = self.array(f"{linear}.weight", layer.weight, np.float32)
            bias = self.array(f"{linear}.bias", layer.bias, np.float32)
            x = self.add("Gemm", "logits" if is_last and refusals is None else linear, x, weight, bias)
            if layer.gain is not None and layer.shift is not None:
                gain = self.array(f"{norm}.weight", layer.gain, np.float32)
                shift = self.array(f"{norm}.bias", layer.shift, np.float32)
                x = self.add("LayerNormalization", norm, x, gain, shift, axis=-1, epsilon=float(LAYER_NORM_EPSILON))
            if not is_last:
                x = self.add("Relu", f"relu{number}", x)
        if refusals is not None:
            x = self.add("Add", "logits", x, refusals)
        calibrated = self.add("Div", "calibrated", x, self.array("temperature", temperature, np.float32))
        probabilities = self.add("Softmax", "probabilities", calibrated, axis=1)
        surest = self.add("ArgMax", "surest", probabilities, axis=1, keepdims=1)
        # What comes first of several that are no numbers is nobody's answer.
        is_none = self.add("IsNaN", "is_none", self.total("sum", probabilities))
        surest = self.add("Where", "place", is_none, self.array("nothing", -1, np.int64), surest)
        surest = self.add("Squeeze", "places", surest, self.array("second", [1], np.int64))
        names = list(network.classes)
        places = list(range(len(names)))
        self.look_up("label", surest, keys_int64s=places, values_strings=names, default_string="")

    def model(self, inputs: Sequence["ValueInfoProto"], classes: int, axis: str) -> "ModelProto":
        """Give the whole: examples are counted along `axis`."""
        from onnx import TensorProto, helper, numpy_helper

        numbers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [axis, classes]) for name in OUTPUTS[:2]]
        label = helper.make_tensor_value_info(OUTPUTS[2], TensorProto.STRING, [axis])
        initializers = [numpy_helper.from_array(array, name) for name, array in self._arrays.items()]
        graph = helper.make_graph(self._nodes, "tenfold", inputs, [*numbers, label], initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        return helper.make_model(graph, producer_name="tenfold", ir_version=IR_VERSION, opset_imports=opsets)

    def _free(self, name: str) -> str:
        while name in self._inputs:
            name += "'"
        return name
