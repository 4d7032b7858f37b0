"""Writes a weights file as an exported program of torch, which `torch.export.load` reads without any code of ours."""

import io
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints import unpack_weights
from models.data.plan import FARTHEST, Plan
from models.data.schema import Images, Table
from models.export.forms import takes_bytes, told
from models.inference import metadata, read
from models.networks import MLP, NMLP


class Served(nn.Module):
    """A network in evaluation mode that takes what clients have, and gives logits and probabilities, [n, C] each."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network.requires_grad_(False), temperature

    def answer(self, x: Tensor, is_taken: Tensor) -> tuple[Tensor, Tensor]:
        """Answer what goes in, [n, ...]; with NaN where not all of an example is taken, by [n, any number]."""
        logits = self.network(x) + torch.where(is_taken.all(1, keepdim=True), 0.0, torch.nan)
        return logits, (logits / self.temperature).softmax(dim=1)


class Pictures(Served):
    """Takes pixels as they are on their scale."""

    def __init__(
        self, network: nn.Module, temperature: float, schema: Images, *, mean: float, deviation: float
    ) -> None:
        super().__init__(network, temperature)
        self._any = takes_bytes(schema)
        low, high = (np.float32(its) for its in schema.scale)
        self._low, self._high = (float(np.nextafter(its, to)) for its, to in ((low, -np.inf), (high, np.inf)))
        self._mean, self._deviation = mean, deviation

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits and probabilities of pictures [n, height, width] or [n, height, width, 3]."""
        x = pixels.to(torch.float32)
        flat = x.flatten(1)
        is_taken = torch.ones_like(flat, dtype=torch.bool) if self._any else (flat >= self._low) & (flat <= self._high)
        return self.answer((x - self._mean) / self._deviation, is_taken)


class Rows(Served):
    """Takes rows as they are stored, and does what the plan does with them."""

    def __init__(self, network: nn.Module, temperature: float, schema: Table, plan: Plan) -> None:
        super().__init__(network, temperature)
        layout = plan.layout
        self._imputes, self._takes_unknown = schema.missing == "impute", schema.unknown == "other"
        self._width = layout.width
        for name, numbers in vars(layout).items():
            if name != "width" and numbers.size:  # nothing cannot be written
                self.register_buffer(name, torch.from_numpy(numbers.copy()))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits and probabilities of rows, float64 [n, F]."""
        missing = rows.isnan()
        known = torch.where(missing, self._of("usual"), rows)
        taken = [torch.ones_like(missing) if self._imputes else ~missing]
        # The last number is none: there goes what has no number of its own.
        x = torch.zeros(rows.shape[0], self._width + 1, dtype=torch.float32)
        if self._has("numbers"):
            standard = (known[:, self._of("numbers")] - self._of("means")) / self._of("deviations")
            x = x.index_copy(1, self._of("number_places"), standard.to(torch.float32))
            taken.append(standard.abs() < FARTHEST)
        if self._has("levels"):
            levels = known[:, self._of("levels")].to(torch.int64)
            taken += [] if self._takes_unknown else [levels >= 0]
            places = self._of("level_places")
            last = places.shape[1] - 1
            levels = torch.where(levels < 0, last, levels.clamp(max=last))
            columns = torch.arange(places.shape[0])
            slots = places[columns, levels]
            x = x.scatter(1, torch.where(slots < 0, self._width, slots), 1.0)
        if self._has("indicated"):
            x = x.index_copy(1, self._of("indicator_places"), missing[:, self._of("indicated")].to(torch.float32))
        return self.answer(x[:, : self._width], torch.cat(taken, 1))

    def _has(self, name: str) -> bool:
        return name in self._buffers

    def _of(self, name: str) -> Tensor:
        return cast("Tensor", getattr(self, name))


def to_pt2(weights: bytes, temperature: float = 1.0) -> bytes:
    """Give the file of an exported program. Its probabilities are those of the logits divided by the temperature.

    Pictures are taken as by the ONNX file. Rows are taken as they are stored, float64 [n, F]: of categories and
    booleans the places of their levels from 0, NaN what is missing, -1 a level that nobody knows. Classes and schema
    are in `extra_files`, by the names that they have in the metadata of ONNX. Raises ValueError for what is no weights
    file.
    """
    network = read(weights)
    schema = network.schema
    if isinstance(schema, Images):
        kind, shapes = (
            torch.uint8 if takes_bytes(schema) else torch.float32,
            {"pixels": {0: torch.export.Dim("images")}},
        )
    else:
        kind, shapes = torch.float64, {"rows": {0: torch.export.Dim("rows")}}
    example = torch.zeros(2, *schema.shape, dtype=kind)
    program = torch.export.export(served(weights, temperature), (example,), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=dict(told(schema, network.plan, temperature)))
    return file.getvalue()


def served(weights: bytes, temperature: float = 1.0) -> Served:
    """Build the module that a weights file describes; raises ValueError for anything else."""
    network, about = read(weights), metadata(weights)
    sizes = [layer.weight.shape[1] for layer in network.layers[:-1]]
    form = {"inputs": network.inputs, "classes": len(network.classes)}
    module = NMLP(*sizes, dropout=0.0, **form) if about["architecture"] == "nmlp" else MLP(*sizes, **form)
    try:
        module.load_state_dict(unpack_weights(weights))
    except RuntimeError as error:
        raise ValueError(f"these are not the weights of a network that is known here: {error}") from error
    if isinstance(network.schema, Images):
        mean, deviation = float(about["mean"]), float(about["deviation"])
        return Pictures(module, temperature, network.schema, mean=mean, deviation=deviation).eval()
    assert network.plan is not None, "a table has one"
    return Rows(module, temperature, network.schema, network.plan).eval()
