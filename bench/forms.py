"""The forms in which servers of models are asked about images, and in which they answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""[28, 28], 255 for ink."""


class Answer(NamedTuple):
    """What a server reads in one image."""

    digit: int
    probabilities: list[float]


@dataclass(frozen=True)
class Form:
    """How one image is asked about, and the answer understood."""

    path: str
    headers: dict[str, str]
    body: Callable[[Image], bytes]
    answer: Callable[[bytes], Answer]

    def at(self, path: str) -> "Form":
        """The same on another path."""
        return replace(self, path=path)


_JSON = {"Content-Type": "application/json"}


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(content: bytes) -> Answer:
    said = json.loads(content)
    return Answer(said["digit"], said["probabilities"])


IMAGE = Form("/predict", _JSON, lambda image: _compact({"image": image.tolist()}), _plain)
"""Tenfold's own, and that of servers that leave the form to whoever writes the handler."""

RAW = Form("/predict", {"Content-Type": "application/octet-stream"}, lambda image: image.tobytes(), _plain)
"""Tenfold's: a byte for each pixel."""


def instances(path: str, name: str, answers: str | None = None) -> Form:
    """A list of one image, answered with a list, which stands under a name of its own if that is given."""

    def understand(content: bytes) -> Answer:
        said = json.loads(content)
        first = (said[answers] if answers else said)[0]
        return Answer(first["digit"], first["probabilities"])

    return Form(path, _JSON, lambda image: _compact({name: [image.tolist()]}), understand)


def _tensor(**more: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": [1, 28, 28], "datatype": "FP32", **more}


def _v2_json(image: Image) -> bytes:
    return _compact({"inputs": [_tensor(data=image.ravel().tolist())]})


def _from_v2_json(content: bytes) -> Answer:
    outputs = {output["name"]: output["data"] for output in json.loads(content)["outputs"]}
    return Answer(int(np.ravel(outputs["label"])[0]), np.ravel(outputs["probabilities"]).tolist())


OIP_JSON = Form("/v2/models/digits/infer", _JSON, _v2_json, _from_v2_json)
"""The Open Inference Protocol."""


def _v2_head() -> bytes:
    tensor = _tensor(parameters={"binary_data_size": 4 * 28 * 28})
    return _compact({"inputs": [tensor], "outputs": [{"name": "probabilities"}, {"name": "label"}]})


def _v2_binary(image: Image) -> bytes:
    return _v2_head() + image.astype("<f4").tobytes()


OIP_BINARY = Form(
    "/v2/models/digits/infer",
    {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(_v2_head()))},
    _v2_binary,
    _from_v2_json,
)
"""The Open Inference Protocol with the pixels in its binary extension, answered in JSON."""
