"""How the learning rate changes from batch to batch: a function of the iteration, so resuming needs no state."""

import math

from models.spec import TrainingSpec

WARM_UP = 0.3
START = 1 / 25
END = START / 10_000


def learning_rate(spec: TrainingSpec, iteration: int, iterations: int) -> float:
    """Give the learning rate of a batch; `iteration` counts from 0, `iterations` is how many the run has in all.

    "cosine": Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983, without restarts. "one_cycle": Smith and
    Topin 2017, https://arxiv.org/abs/1708.07120, with the constants of torch.optim.lr_scheduler.OneCycleLR.
    """
    peak = spec.learning_rate
    if spec.learning_rate_schedule == "cosine":
        return _cosine(peak, 0.0, iteration / iterations)
    if spec.learning_rate_schedule == "one_cycle":
        turn = WARM_UP * iterations - 1
        if iteration < turn:
            return _cosine(START * peak, peak, iteration / turn)
        return _cosine(peak, END * peak, (iteration - turn) / max(iterations - 1 - turn, 1e-9))
    return peak


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
