"""The moving average of losses, batch by batch."""

import numpy as np
from numpy.typing import NDArray

WINDOW = 10


def moving_average(values: NDArray[np.floating], min_periods: int = WINDOW) -> NDArray[np.float64]:
    """Return the mean of each value and the nine before it, as `pandas.Series.rolling(10).mean()` has it.

    values: [n]. The answer is [n] too and is NaN wherever fewer than `min_periods` values, or one that is
    not finite, lie in the window.
    """
    import pandas as pd  # only here: it is half of what the API would load, and few ask for a history

    return pd.Series(values).rolling(WINDOW, min_periods=min_periods).mean().to_numpy(dtype=np.float64)
