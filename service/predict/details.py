"""What an answer tells beside digit and probabilities: how undecided, how unusual, and which pixels speak for it."""

import math

import numpy as np
import orjson
from numpy.typing import NDArray

from models.calibration import entropy
from models.saliency import gradient
from service.errors import Fault, Invalid, pointer
from service.predict.requests import Pixels
from service.predict.schemas import MOST_EXPLAINED, PredictQuery
from service.predict.served import Served


def are_wanted(query: PredictQuery, count: int, place: str) -> bool:
    """Whether anything of this is asked for; raises Invalid where it is asked of too many images.

    `place` is where an explanation was asked for: "query" or "body".
    """
    if query.explain is not None and count > MOST_EXPLAINED:
        detail = f"at most {MOST_EXPLAINED} images are explained at once; there are {count:,}"
        raise Invalid(detail, faults=[Fault(pointer((place, "explain")), detail)])
    return query.details or query.explain is not None


def tell(served: Served, query: PredictQuery, pixels: Pixels, probabilities_BC: NDArray[np.float32]) -> list[bytes]:
    """Give for each of the images [B, 784] members of a JSON object, each with a comma in front."""
    told = [b""] * len(pixels)
    if query.details:
        entropies_B = entropy(probabilities_BC)
        if served.novelty is None:
            shares = [b"null"] * len(pixels)
        else:
            shares = _written(served.novelty.share(pixels, entropies_B))
        rows = zip(_written(entropies_B), shares, strict=True)
        told = [b',"entropy":%b,"novelty":%b' % row for row in rows]
    if query.explain is not None:
        maps_BHW = gradient(served.network, pixels, probabilities_BC.argmax(axis=1))
        told = [
            b'%b,"gradient":%b' % (before, orjson.dumps(map_HW, option=orjson.OPT_SERIALIZE_NUMPY))
            for before, map_HW in zip(told, maps_BHW, strict=True)
        ]
    return told


def _written(numbers_B: NDArray[np.float64]) -> list[bytes]:
    # Six digits: the figures are known to about three.
    return [b"%.6g" % number if math.isfinite(number) else b"null" for number in numbers_B.tolist()]
