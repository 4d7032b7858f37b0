"""Writes a weights file as ONNX, node by node, and lets nothing out that ONNX Runtime computes otherwise than we do."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Images, Table
from models.export.forms import feeds, inputs_of, takes_bytes, told
from models.export.graph import Graph
from models.export.table_graph import Rows
from models.inference import Network, read, softmax, taken_in
from models.predict_onnx import OnnxNetwork

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where all are smaller: how far ONNX Runtime's may be from ours."""

_CHECKED = 64


def to_onnx(weights: bytes, temperature: float = 1.0) -> bytes:
    """Give the ONNX file of a weights file, after ONNX Runtime has given with it what we give.

    Its probabilities are those of the logits divided by the temperature. What it takes in, and what else it says, is in
    `models.export.forms`. Raises ValueError for what is no weights file, without the packages of the extra `export`, or
    where the two differ by more than 1e-4, be it for a value that is missing or a level that nobody knows.
    """
    try:
        import onnx
    except ImportError as error:
        raise ValueError(
            "ONNX files need packages that are not installed here: pip install 'tenfold[export]'"
        ) from error
    network = read(weights)
    schema = network.schema
    model = _pictures(network, schema, temperature) if isinstance(schema, Images) else _rows(network, temperature)
    onnx.helper.set_model_props(model, dict(told(schema, network.plan, temperature)))
    onnx.checker.check_model(model, full_check=True)
    file: bytes = model.SerializeToString()
    _require_alike(network, file, temperature)
    return file


def _pictures(network: Network, schema: Images, temperature: float) -> "ModelProto":
    from onnx import TensorProto, helper

    graph = Graph()
    as_rows = graph.array("shape", [-1, schema.inputs], np.int64)
    kind, refusals = TensorProto.UINT8, None
    if takes_bytes(schema):
        x = graph.add("Reshape", "rows", graph.cast("numbers", "pixels"), as_rows)
    else:
        kind = TensorProto.FLOAT
        x = graph.add("Reshape", "rows", "pixels", as_rows)
        low, high = (np.nextafter(np.float32(its), np.float32(towards)) for its, towards in _beyond(schema))
        above = graph.add("GreaterOrEqual", "above", x, graph.array("low", low, np.float32))
        below = graph.add("LessOrEqual", "below", x, graph.array("high", high, np.float32))
        refusals = graph.total("refused", graph.refused("off_scale", graph.add("And", "on_scale", above, below)))
    graph.end(network, x, refusals, temperature)
    shape: list[str | int | None] = ["images", *schema.shape]
    return graph.model([helper.make_tensor_value_info("pixels", kind, shape)], len(schema.classes), "images")


def _beyond(schema: Images) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the ends of the scale, and which way beyond them rounding to float32 may lead."""
    return (schema.scale[0], -np.inf), (schema.scale[1], np.inf)


def _rows(network: Network, temperature: float) -> "ModelProto":
    from onnx import TensorProto, helper

    schema, plan = network.schema, network.plan
    assert isinstance(schema, Table), "pictures are written otherwise"
    assert plan is not None, "a table has one"
    names = inputs_of(schema)
    graph = Graph(names.values())
    graph.end(network, *Rows(graph, schema, plan, names).add(), temperature)
    kinds = {
        column.name: TensorProto.DOUBLE if column.type == "number" else TensorProto.STRING for column in schema.columns
    }
    inputs = [helper.make_tensor_value_info(names[name], kind, ["rows", 1]) for name, kind in kinds.items()]
    return graph.model(inputs, len(schema.classes), "rows")


def _require_alike(network: Network, file: bytes, temperature: float) -> None:
    """Raise ValueError where ONNX Runtime gives with the file what we do not give."""
    schema = network.schema
    values = _examples(network)
    ours = network.logits(taken_in(values, network.plan))
    expected = {"logits": ours, "probabilities": softmax(ours / np.float32(temperature))}
    found = OnnxNetwork(file).predict(feeds(values, schema))
    is_refused = _are_refused(values, schema)
    for name, theirs in (("logits", found.logits), ("probabilities", found.probabilities)):
        right = expected[name]
        off = np.abs(right - theirs) / max(1.0, float(np.abs(right[~is_refused]).max(initial=0)))
        worst = float(off[~is_refused].max(initial=0))
        if not worst <= TOLERANCE or not np.isnan(theirs[is_refused]).all():  # NaN is not
            raise ValueError(
                f"ONNX Runtime's {name} differ from ours by {worst:.3g} of the largest; nothing is exported"
            )
    names = np.array(["", *schema.classes], object)
    if (found.labels != names[np.where(is_refused, 0, 1 + found.probabilities.argmax(axis=1))]).any():
        raise ValueError("ONNX Runtime names other classes than ours; nothing is exported")


def _examples(network: Network) -> NDArray[Any]:
    """Make up examples to compare with: pictures on their scale, or rows as they are stored."""
    random, schema = np.random.default_rng(0), network.schema
    if isinstance(schema, Images):
        count = max(2, min(_CHECKED, 2**20 // schema.inputs))
        if takes_bytes(schema):
            return random.integers(0, 256, (count, *schema.shape), np.uint8)
        return random.uniform(*schema.scale, (count, *schema.shape)).astype(np.float32)
    assert network.plan is not None, "a table has one"
    rows = np.empty((_CHECKED, len(schema.columns)))
    for place, (column, planned) in enumerate(zip(schema.columns, network.plan.columns, strict=True)):
        if planned.type == "number":
            rows[:, place] = planned.mean + planned.deviation * random.normal(0, 2, len(rows))
        else:
            rows[:, place] = random.integers(-1, len(column.levels), len(rows))
        rows[random.random(len(rows)) < 0.1, place] = np.nan
    # Where there are many columns, each row would lack something.
    rows[::2] = np.where(np.isnan(rows[::2]) | (rows[::2] == -1), network.plan.layout.usual, rows[::2])
    return rows


def _are_refused(values: NDArray[Any], schema: Images | Table) -> NDArray[np.bool_]:
    if isinstance(schema, Images):
        return np.zeros(len(values), bool)
    are_levels = np.array([column.type != "number" for column in schema.columns])
    is_missing = np.isnan(values).any(axis=1) & (schema.missing == "refuse")
    found: NDArray[np.bool_] = is_missing | ((values[:, are_levels] < 0).any(axis=1) & (schema.unknown == "refuse"))
    return found
