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


def compact(value: Any) -> bytes:
    """Write JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(content: bytes) -> Answer:
    said = json.loads(content)
    return Answer(said["digit"], said["probabilities"])


IMAGE = Form("/predict", _JSON, lambda image: compact({"image": image.tolist()}), _plain)
"""Tenfold's own, and that of servers that leave the form to whoever writes the handler."""

RAW = Form("/predict", {"Content-Type": "application/octet-stream"}, lambda image: image.tobytes(), _plain)
"""Tenfold's: a byte for each pixel."""


def instances(path: str, name: str, answers: str | None = None) -> Form:
    """A list of one image, answered with a list, which stands under a name of its own if that is given."""

    def understand(content: bytes) -> Answer:
        said = json.loads(content)
        first = (said[answers] if answers else said)[0]
        return Answer(first["digit"], first["probabilities"])

    return Form(path, _JSON, lambda image: compact({name: [image.tolist()]}), understand)


@dataclass(frozen=True)
class OpenInference:
    """The Open Inference Protocol, which leaves it to the server what its tensors are called."""

    path: str = "/v2/models/digits/infer"
    pixels: str = "input-0"
    digit: str = "label"

    def json(self) -> Form:
        """Everything in JSON."""
        return Form(self.path, _JSON, lambda image: self._json(data=image.ravel().tolist()), self._understood)

    def binary(self) -> Form:
        """The pixels in its binary extension, answered in JSON."""
        head = self._json(parameters={"binary_data_size": 4 * 28 * 28})
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        return Form(self.path, headers, lambda image: head + image.astype("<f4").tobytes(), self._understood)

    def _json(self, **more: Any) -> bytes:
        tensor = {"name": self.pixels, "shape": [1, 28, 28], "datatype": "FP32", **more}
        return compact({"inputs": [tensor], "outputs": [{"name": "probabilities"}, {"name": self.digit}]})

    def _understood(self, content: bytes) -> Answer:
        outputs = {output["name"]: output["data"] for output in json.loads(content)["outputs"]}
        return Answer(int(np.ravel(outputs[self.digit])[0]), np.ravel(outputs["probabilities"]).tolist())
