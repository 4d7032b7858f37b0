"""The split of a version and of what is appended to it: what becomes of examples where one of the two has none.

Legend of shapes: N examples that are appended, M of the version before.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.data.examples import TEST, TRAIN, VALIDATION
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.told import Told


def join(
    before: NDArray[np.uint8] | None, parts: NDArray[np.uint8] | None, count: int, told: Told, base: str
) -> NDArray[np.uint8] | None:
    """Give the part of each example, uint8 [M + N], None where neither has a split; raises UnreadableError.

    Of `count` that are appended without one all are for training, where those before have one. The other way round it
    is refused, unless all are for training: the test part of new ones alone would be compared with what it was not.
    """
    if before is None:
        if parts is not None and not (parts == TRAIN).all():
            raise UnreadableError(
                Fault(
                    "split",
                    f"some of its examples are said to be for validation or test, and those of {base} have no split",
                    "leave the split out, or send all examples in one file that has one",
                )
            )
        if parts is not None:
            told.taken_for.pop("split", None)
            told.note(
                "split", f"all of its examples are said to be for training; {base} has no split, and none is kept"
            )
        return None
    if parts is None:
        told.note("split", f"its examples have no split, as those of {base} have; all of them are for training")
        parts = np.full(count, TRAIN, np.uint8)
    whole = np.concatenate([before, parts])
    new = np.bincount(parts, minlength=3)
    every = np.bincount(whole, minlength=3)
    if not new[VALIDATION] and every[VALIDATION] and new[TRAIN] == count:
        told.note("split", "none of its examples is for validation")
    said = told.taken_for.get("split")
    about = {"train": int(every[TRAIN]), "validation": int(every[VALIDATION]), "test": int(every[TEST])}
    told.taken_for["split"] = {**(said if isinstance(said, Mapping) else {}), **about}
    return whole
