"""How long an epoch will take here: what it comes to on paper, corrected by what epochs have taken on this machine.

By the mean of the corrections (Nadaraya 1964, Watson 1964) that jobs of before would have needed, in which those count
most that spent their time on the same things and are about as large.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from models.workload import Seconds

_NEAR = 0.25
"""How far apart jobs may be for one to tell much of the other: a quarter of their time spent otherwise, or so."""

_FAR = 0.02
"""What a job counts that has little in common with the one in question: it still tells how fast the machine is."""

_SAME = 10.0
"""What one counts that does the very same."""

_ON_PAPER = 0.05
"""What the figures on paper count beside one that was measured."""


@dataclass(frozen=True)
class Measured:
    """What epochs of a job have taken, alone in a process, and what they come to on paper."""

    on_paper: Seconds
    seconds: float


def estimate(on_paper: Seconds, measured: Sequence[Measured]) -> float:
    """Give the seconds that an epoch will take; without any that were measured, those on paper."""
    weights = [_likeness(on_paper, its.on_paper) for its in measured]
    logs = [math.log(max(its.seconds, 1e-6) / its.on_paper.total) for its in measured]
    correction = math.fsum(map(math.prod, zip(weights, logs, strict=True))) / (math.fsum(weights) + _ON_PAPER)
    return on_paper.total * math.exp(correction)


def _likeness(one: Seconds, other: Seconds) -> float:
    if one == other:
        return _SAME
    shares = math.dist(*([its / of.total for its in astuple(of)] for of in (one, other)))
    size = math.log(one.total / other.total) / 8
    return math.exp(-(shares**2 + size**2) / (2 * _NEAR**2)) + _FAR
