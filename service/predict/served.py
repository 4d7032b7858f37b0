"""A network that answers: what computes its scores, for many callers at a time, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import golden, novelty
from models.data.schema import USUAL, Images, Table, is_as_mnist
from models.ensemble import Ensemble
from models.inference import Network, read, softmax
from models.novelty import Novelty
from service.artifacts import Artifacts
from service.predict.batcher import Batcher, Pace, largest_of
from service.predict.inputs.arrays import Arrays
from service.predict.inputs.rows import Records
from service.predict.responses import Words
from service.predict.schemas import ModelView
from service.store.references import Target

Scores = NDArray[np.float32]
"""[B, 2, C]: of each example the logits, and the probabilities that they become by the temperature."""

LOGITS, PROBABILITIES = 0, 1
"""Where they are among the scores of an example."""

_TRIED = 64  # examples by which is measured how long a batch takes


def scorer(network: Network | Ensemble, temperature: float) -> Callable[[NDArray[Any]], Scores]:
    """Give what computes scores of examples [B, ...]; for a whole batch, what softmax takes is next to nothing."""
    factor, plan, classes = np.float32(1 / temperature), network.plan, len(network.schema.classes)

    def scores(rows: NDArray[Any]) -> Scores:
        logits_BC = network.logits(rows if plan is None else plan.apply(rows))
        scores_BSC = np.empty((len(logits_BC), 2, classes), np.float32)
        scores_BSC[:, LOGITS] = logits_BC
        scores_BSC[:, PROBABILITIES] = softmax(logits_BC if factor == 1 else logits_BC * factor)
        return scores_BSC

    return scores


@dataclass(frozen=True, eq=False)
class Served:
    """A network that answers, whose batcher gives its scores, and what is said of it.

    `input` takes examples from what is sent, `words` are what is said of its classes. `novelty` is None where it was
    not assessed: there is nothing then that its examples could be compared with.
    """

    network: Network | Ensemble
    batcher: Batcher
    novelty: Novelty | None
    model: ModelView
    model_json: bytes
    input: Arrays | Records
    words: Words
    size_bytes: int = 0

    @property
    def called(self) -> str:
        """Give what it is called in a refusal."""
        return called(self.model)

    @property
    def is_usual(self) -> bool:
        """Whether it takes images as MNIST's, of ten classes, as clients of other model servers ask it to."""
        return is_as_mnist(self.network.schema)

    @classmethod
    def load(cls, target: Target, artifacts: Artifacts) -> "Served":
        """Read a network from its files, and check that it computes what it is known to compute.

        Raises OSError where a file is gone, ValueError where one is not as it was written, or computes otherwise.
        """
        members = [read(artifacts.read(*weights)) for weights in target.weights]
        network = members[0] if len(members) == 1 else Ensemble(members)
        if target.golden is not None:
            golden.replay(network, golden.unpack(artifacts.read(*target.golden)))
        usual = None if target.novelty is None else novelty.unpack(artifacts.read(*target.novelty))
        compute = scorer(network, target.temperature)
        schema = network.schema
        largest = largest_of(schema.inputs)
        pace = Pace.of(compute, np.zeros((max(2, min(_TRIED, largest)), *schema.shape), _kind(schema)))
        view = ModelView(
            name=target.model,
            version=target.version,
            job_id=target.job_id,
            epoch=members[0].epoch if len(members) == 1 else None,
            members=len(members),
            temperature=target.temperature,
            weights_sha256=target.sha256,
            classes=None if schema.classes == USUAL.classes else list(schema.classes),
        )
        # Its classes are said only where they are not the digits: most answers are to stay small.
        view_json = view.model_dump_json(exclude=set() if view.classes else {"classes"}).encode()
        size = sum(member.size_bytes for member in members) + (0 if usual is None else usual.size_bytes)
        return cls(
            network,
            Batcher(compute, pace, largest),
            usual,
            view,
            view_json,
            input_of(network, called(view)),
            Words(schema.classes),
            size,
        )


def called(model: ModelView) -> str:
    """Give what a network is called in a refusal."""
    return f"the network of job {model.job_id}" if model.name is None else f"model {model.name}/{model.version}"


def input_of(network: Network | Ensemble, name: str) -> Arrays | Records:
    """Give what takes examples from what is sent to a network that is called so."""
    if isinstance(network.schema, Images):
        return Arrays(network.schema, name)
    assert network.plan is not None, "a weights file of a table has one"
    return Records(network.schema, network.plan, name)


def _kind(schema: Images | Table) -> type[np.float64] | type[np.uint8]:
    return np.float64 if isinstance(schema, Table) else np.uint8
