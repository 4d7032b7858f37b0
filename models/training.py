"""The training loop: a generator that yields one record an epoch and touches no disk, no database and no log.

Networks of equal shape are trained together, in step, and leave one by one; each ends with the same bits as if it had
been alone.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch

from models.checkpoints import Checkpoint
from models.data.split import Split
from models.evaluator import Evaluator, core_is_free, prepare_thread
from models.group import Group
from models.learner import Learner
from models.products import processor
from models.records import Ended, Failed, TrainingRecord
from models.spec import TrainingSpec
from models.suitability import too_many_batches

Stop = Literal["end", "discard"]
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
    evaluate_beside: bool | Callable[[], bool] = core_is_free,
) -> Iterator[TrainingRecord]:
    """Train a network for each spec on `split`, from the start or each from its checkpoint.

    Yields the records of all networks, those of each in order; the last one of each is Ended or Failed.
    `should_stop(network)` is asked before every batch. Once it says "end", that network's epoch ends there, is
    evaluated, yielded as incomplete (unless no batch of it was done), and is its last; with "discard" it is not even
    evaluated. An epoch is evaluated in a second thread while the next one begins if `evaluate_beside`, or if that says
    so when it is asked, before and after each epoch; by default where there is a core for it; images that are moved at
    random are then moved a batch ahead of the training. No bit depends on that, and the record of an epoch comes before
    the last batch of the next one in any case. Raises ValueError unless the specs agree in their `shape`.
    """
    if len({spec.shape for spec in specs}) != 1:
        raise ValueError("only networks of equal shape are trained together, on equal data and with equal batch size")
    # Adam's moments decay into denormal numbers, which cost a third of the speed in later epochs.
    torch.set_flush_denormal(True)
    processor.use_threads(torch.get_num_threads())
    split = split.to(device)
    examples = len(split.y_train)
    batches = -(-examples // specs[0].batch_size)
    learners = []
    for number, (spec, checkpoint) in enumerate(zip(specs, resume or [None] * len(specs), strict=True)):
        if why := too_many_batches(spec.epochs, batches):
            yield Failed(number, ValueError(why))
            continue
        try:
            learner = Learner(number, spec, checkpoint, split, batches * spec.epochs, device)
        except ValueError as error:
            yield Failed(number, error)
            continue
        if learner.is_over:
            yield Ended(number)
        else:
            learners.append(learner)

    group = Group(learners)
    is_beside = _beside(evaluate_beside, device)
    moves = any(spec.shift_pixels or spec.rotation_degrees for spec in specs)
    # A thread begins with its first work.
    with Evaluator(split, beside=is_beside) as evaluator, ThreadPoolExecutor(1, "images", prepare_thread) as ahead:
        while group.learners:
            group.begin_epoch(examples, ahead if moves and is_beside() else None)
            for batch in range(batches):
                # What an epoch brought comes out before the last batch of the next: whoever decides by it is asked
                # in between, and nothing is left of that next one where the network ends there.
                if evaluator.is_done() or batch == batches - 1:
                    yield from evaluator.records()
                for learner in group.learners:
                    if not learner.is_over and (stop := should_stop(learner.number)) is not None:
                        yield from evaluator.records()
                        yield from _stopped(learner, stop, evaluator)
                group.drop_those_over()
                if not group.learners:
                    break
                group.step(batch, split.x_train)
            yield from evaluator.begin(group.learners)
            group.drop_those_over()
        yield from evaluator.records()


def _beside(asked: bool | Callable[[], bool], device: str | torch.device) -> Callable[[], bool]:
    if torch.device(device).type != "cpu":
        return lambda: False  # the device is what is waited for, and no core of the processor
    return asked if callable(asked) else lambda: asked


def _stopped(learner: Learner, stop: Stop, evaluator: Evaluator) -> Iterator[TrainingRecord]:
    if learner.is_over:
        return
    if stop == "end" and learner.has_begun:
        yield from evaluator.begin([learner], complete=False)
    else:
        yield learner.ended()
