"""Which outputs a network has and a request asks for: logits, probabilities, the class' name and perhaps its number."""

from collections.abc import Sequence
from reprlib import repr as shown
from typing import Any, NamedTuple

from service.errors import Invalid
from service.protocols.requests import Asked, flag, parameters_of


class Output(NamedTuple):
    """A tensor that is asked for: whether as bytes, and of how many classes the names (0: its numbers)."""

    name: str
    binary: bool = False
    classes: int = 0


class Outputs:
    """What may be asked of a network with these classes.

    `has_digits` tells whether the places of classes are given as `digit`, and `are_digits` whether their names are the
    same: these are only given where they are asked for.
    """

    def __init__(self, classes: Sequence[str], *, has_digits: bool, are_digits: bool) -> None:
        self.classes = classes
        count = len(classes)
        digit = [{"name": "digit", "datatype": "INT64", "shape": [-1]}] if has_digits else []
        self.described: list[dict[str, Any]] = [
            {"name": "logits", "datatype": "FP32", "shape": [-1, count]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, count]},
            *digit,
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ]
        self.has_digits = has_digits
        self._names = [output["name"] for output in self.described]
        usual = self._names[:-1] if are_digits else self._names
        self._all = tuple(Output(name) for name in usual)
        self._all_binary = tuple(Output(name, binary=True) for name in usual)

    def of(self, asked: Asked) -> tuple[Output, ...]:
        """Give those that a request asks for, in its order; raises Invalid."""
        outputs, binary = asked.outputs, asked.binary
        if not outputs and (outputs is None or isinstance(outputs, list)):
            return self._all_binary if binary else self._all
        if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
            raise Invalid("outputs is to be a list of objects with a name")
        names = [output.get("name") for output in outputs[: len(self._names) + 1]]
        for name in names:
            if name not in self._names or names.count(name) > 1:
                raise Invalid(f"outputs asks for {shown(name)}; there are {', '.join(self._names)}, each at most once")
        return tuple(self._output(output, binary=binary) for output in outputs)

    def _output(self, asked: dict[str, Any], *, binary: bool) -> Output:
        name = asked["name"]
        parameters = parameters_of(asked, f"output {name}")
        classes = parameters.get("classification", 0)
        if type(classes) is not int or not ("classification" not in parameters or classes >= 1):
            raise Invalid(f"classification of output {name} is to be a whole number from 1")
        if classes and name in ("digit", "label"):
            raise Invalid(f"ask for the classification of logits or probabilities; {name} is one already")
        return Output(name, flag(parameters, "binary_data", default=binary), min(classes, len(self.classes)))
