"""The training loop: a generator that yields one record an epoch and touches no disk, no database and no log.

Networks of equal shape are trained together, in step, and leave one by one; each ends with the same bits as if it had
been alone.

Legend of shapes: K networks, N training examples, D = 784 pixels, C = 10 classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from models.checkpoints import Checkpoint
from models.data.split import Split
from models.learner import Ended, Failed, Record, Run
from models.spec import CLASSES, TrainingSpec
from models.stack import Stack

MAX_ITERATIONS = 1_000_000
"""Batches in one job: the loss of every one of them is recorded and served."""


Stop = Literal["end", "leave"]
"""How a network is stopped: its epoch ends here, or nothing of this epoch is kept."""


def _never(_network: int) -> Stop | None:
    return None


def train(
    specs: Sequence[TrainingSpec],
    split: Split,
    *,
    resume: Sequence[Checkpoint | None] = (),
    should_stop: Callable[[int], Stop | None] = _never,
    device: str | torch.device = "cpu",
) -> Iterator[Record]:
    """Train a network for each spec on `split`, from the start or each from its checkpoint.

    Yields the records of all networks, those of each in order; the last one of each is Ended or Failed.
    `should_stop(network)` is asked before every batch. Once it says "end", that network's epoch ends there, is
    evaluated, yielded as incomplete (unless no batch of it was done), and is its last; with "leave" it is not even
    evaluated. Raises ValueError unless the specs agree in their `shape`.
    """
    if len({spec.shape for spec in specs}) != 1:
        raise ValueError("only networks of equal shape are trained together, on equal data and with equal batch size")
    # Adam's moments decay into denormal numbers, which cost a third of the speed in later epochs.
    torch.set_flush_denormal(True)
    split = split.to(device)
    examples = len(split.y_train)
    batches = -(-examples // specs[0].batch_size)
    targets_NC = one_hot(split.y_train, CLASSES).to(torch.float32)
    runs = []
    for number, (spec, checkpoint) in enumerate(zip(specs, resume or [None] * len(specs), strict=True)):
        if batches * spec.epochs > MAX_ITERATIONS:
            yield Failed(number, _too_many_batches(spec, batches))
            continue
        run = Run(number, spec, checkpoint, targets_NC, batches * spec.epochs, device)
        if run.is_over:
            yield Ended(number)
        else:
            runs.append(run)

    stack = _stack(runs)
    while stack is not None:
        for run in runs:
            run.begin_epoch(examples)
        for batch in range(batches + 1):
            for run in runs:
                stop = "end" if batch == batches else should_stop(run.number)
                if stop is not None:
                    yield from run.leave() if stop == "leave" else run.end_epoch(split, complete=batch == batches)
            if any(run.is_over for run in runs):
                runs = [run for run in runs if not run.is_over]
                stack = _stack(runs)
            if stack is None:
                break
            if batch < batches:
                _step(stack, runs, batch, split.x_train)


def _stack(runs: Sequence[Run]) -> Stack | None:
    if not runs:
        return None
    half = runs[0].spec.precision == "bfloat16"
    return Stack([run.network for run in runs], [run.dropout for run in runs], half=half)


@torch.inference_mode()
def _step(stack: Stack, runs: Sequence[Run], number: int, x_ND: Tensor) -> None:
    """Do one step with each network's own batch of this number."""
    batch = stack.batch(len(runs[0].order[number]))
    for run, x_BD in zip(runs, batch.images, strict=True):
        run.fill(number, x_ND, x_BD)
    losses = batch.step([run.targets[number] for run in runs])
    for run, (weights_P, gradients_P), loss in zip(runs, stack.rows, losses, strict=True):
        run.step(weights_P, gradients_P, loss)


def _too_many_batches(spec: TrainingSpec, batches: int) -> ValueError:
    return ValueError(
        f"{spec.epochs} epochs of {batches:,} batches are more than the {MAX_ITERATIONS:,} batches allowed; "
        f"raise batch_size or lower epochs"
    )
