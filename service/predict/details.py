"""What an answer tells beside class and probabilities: how undecided, how unusual, what speaks for it, and notes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from models.calibration import entropy
from models.data.schema import is_as_mnist
from models.inference import taken_in
from models.saliency import gradient
from service.errors import Conflict, Fault, Invalid, pointer
from service.predict.batcher import Rows
from service.predict.inputs.taken import Note, Taken
from service.predict.schemas import MOST_EXPLAINED, PredictQuery
from service.predict.served import Served

Noted = Mapping[int, Sequence[Note]]


def are_wanted(served: Served, query: PredictQuery, taken: Taken, fields: Mapping[str, str]) -> bool:
    """Whether anything of this is asked for, or to be told; raises Invalid or Conflict where it cannot be.

    `fields` are those of a form in which options may have been given.
    """
    classes, count = len(served.network.schema.classes), len(taken.rows)
    if query.top_k is not None and query.top_k > classes:
        detail = f"top_k is {query.top_k}, and {served.called} knows {classes} classes; ask for at most {classes}"
        raise Invalid(detail, faults=[Fault(pointer(("body" if "top_k" in fields else "query", "top_k")), detail)])
    if query.explain is not None and not is_as_mnist(served.network.schema):
        raise Conflict(
            f"explain={query.explain} tells of 28 x 28 grey pixels in ten classes which of them speak for a class; "
            f"{served.called} takes {served.input.form}: ask without explain"
        )
    if query.explain is not None and count > MOST_EXPLAINED:
        place = "body" if "explain" in fields else "query"
        detail = f"at most {MOST_EXPLAINED} images are explained at once; there are {count:,}"
        raise Invalid(detail, faults=[Fault(pointer((place, "explain")), detail)])
    return query.details or query.explain is not None or bool(taken.notes)


def tell(
    served: Served, query: PredictQuery, pixels: Rows, probabilities_BC: NDArray[np.float32], noted: Noted, start: int
) -> list[bytes]:
    """Give for each of the examples [B, ...] members of a JSON object, each with a comma in front.

    They are those from the place `start` on, by which `noted` tells what was noted of them.
    """
    told = [b""] * len(pixels)
    if query.details:
        entropies_B = entropy(probabilities_BC)
        if served.novelty is None:
            shares = [b"null"] * len(pixels)
        else:
            shares = _written(served.novelty.share(taken_in(pixels, served.network.plan), entropies_B))
        rows = zip(_written(entropies_B), shares, strict=True)
        told = [b',"entropy":%b,"novelty":%b' % row for row in rows]
    if query.explain is not None:
        maps_BHW = gradient(served.network, pixels, probabilities_BC.argmax(axis=1))
        told = [
            b'%b,"gradient":%b' % (before, orjson.dumps(map_HW, option=orjson.OPT_SERIALIZE_NUMPY))
            for before, map_HW in zip(told, maps_BHW, strict=True)
        ]
    for place in range(len(told)) if noted else ():
        if notes := noted.get(start + place):
            told[place] += b',"notes":%b' % orjson.dumps([note._asdict() for note in notes])
    return told


def _written(numbers_B: NDArray[np.float64]) -> list[bytes]:
    # Six digits: the figures are known to about three.
    return [b"%.6g" % number if math.isfinite(number) else b"null" for number in numbers_B.tolist()]
