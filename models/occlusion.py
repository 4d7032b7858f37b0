"""Which columns of a row speak for a class: how much less sure a network is of it where one is as it usually is.

Each column in turn takes the value that is usual in the training part (the median, or the most frequent level), and the
change of the probability of the class is its contribution: Robnik-Sikonja and Kononenko 2008, "Explaining
classifications for individual instances", https://doi.org/10.1109/TKDE.2007.190734. The gradient, which tells of
pixels, is no help here: of a level that a row does not have it says nothing, and numbers are far from where it holds.

Legend of shapes: B rows, F columns as they are stored, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from models.calibration import softmax
from models.ensemble import Ensemble
from models.inference import Network

_AT_ONCE = 2**20  # numbers of rows that are computed together


def contributions(
    network: Network | Ensemble,
    rows_BF: NDArray[np.float64],
    probabilities_BC: NDArray[np.float32],
    temperature: float = 1.0,
) -> NDArray[np.float32]:
    """Give what each column adds to the probability of each row's most probable class, float32 [B, F], from -1 to 1.

    Positive where the class would be less probable if the column had its usual value; 0 where it has that. What two
    columns say together is counted for both, or for neither: contributions do not add up to the probability. `rows_BF`
    are as they are stored, `probabilities_BC` those that the network gives them by the temperature. Raises ValueError
    for a network that takes no rows.
    """
    plan = network.plan
    if plan is None:
        raise ValueError("what columns say is told of rows of a table; this network takes pictures")
    usual_F = plan.layout.usual
    classes_B = probabilities_BC.argmax(axis=1)
    found_BF = np.zeros(rows_BF.shape, np.float32)
    # What is usual already changes nothing. Where a value is missing, an indicator may say so: that is a change.
    pairs = np.argwhere(rows_BF != usual_F)
    at_once = max(1, _AT_ONCE // max(plan.inputs, len(usual_F)))
    for start in range(0, len(pairs), at_once):
        of_row, of_column = pairs[start : start + at_once].T
        occluded = rows_BF[of_row]
        occluded[np.arange(len(occluded)), of_column] = usual_F[of_column]
        without = softmax(network.logits(plan.apply(occluded)), temperature)
        classes = classes_B[of_row]
        change = probabilities_BC[of_row, classes] - without[np.arange(len(classes)), classes]
        found_BF[of_row, of_column] = change
    return found_BF
