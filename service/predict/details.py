"""What an answer tells beside class and probabilities: how undecided, how unusual, what speaks for it, and notes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from models.calibration import entropy
from models.data.schema import Table
from models.inference import taken_in
from models.novelty import count_unlearned
from models.occlusion import contributions
from models.saliency import gradient
from service.errors import Conflict, Fault, Invalid, pointer
from service.predict.batcher import Rows
from service.predict.inputs.taken import Note, Taken
from service.predict.schemas import MOST_EXPLAINED, MOST_GRADIENTS, MOST_OCCLUDED, PredictQuery
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
    if query.explain is not None:
        place = pointer(("body" if "explain" in fields else "query", "explain"))
        _require_explained(served, query.explain, count, place)
    return query.details or query.explain is not None or bool(taken.notes)


def _require_explained(served: Served, how: str, count: int, place: str) -> None:
    """Refuse what explains another kind of examples, or too many; raises Conflict or Invalid."""
    schema, plan = served.network.schema, served.network.plan
    fitting, things = ("gradient", "images") if plan is None else ("columns", "rows")
    if how != fitting:
        of = "images, by their pixels" if how == "gradient" else "rows of a table, by their columns"
        raise Conflict(
            f"explain={how} tells of {of}, and {served.called} takes {things}: {served.input.form}; ask with "
            f"explain={fitting}"
        )
    numbers, most = (schema.inputs, MOST_GRADIENTS) if plan is None else (plan.inputs * schema.shape[0], MOST_OCCLUDED)
    most = max(1, min(MOST_EXPLAINED, most // numbers))
    if count > most:
        detail = f"at most {most} {things} like these are explained at once, and there are {count:,}; send fewer"
        raise Invalid(detail, faults=[Fault(place, detail)])


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
            schema, plan = served.network.schema, served.network.plan
            unlearned_B = count_unlearned(pixels, schema, plan)
            shares = _written(served.novelty.share(taken_in(pixels, plan), entropies_B, unlearned_B))
        rows = zip(_written(entropies_B), shares, strict=True)
        told = [b',"entropy":%b,"novelty":%b' % row for row in rows]
    if query.explain == "columns":
        added_BF = contributions(served.network, pixels, probabilities_BC, served.model.temperature)
        assert isinstance(served.network.schema, Table), "whose columns are told"
        names = [column.name for column in served.network.schema.columns]
        told = [
            b'%b,"columns":%b' % (before, orjson.dumps(dict(zip(names, added_F, strict=True))))
            for before, added_F in zip(told, added_BF.tolist(), strict=True)
        ]
    elif query.explain is not None:
        maps_BHW = gradient(served.network, pixels, probabilities_BC.argmax(axis=1))
        told = [
            b'%b,"gradient":%b' % (before, orjson.dumps(map_HW, option=orjson.OPT_SERIALIZE_NUMPY))
            for before, map_HW in zip(told, maps_BHW, strict=True)
        ]
    for place in range(len(told)) if noted else ():
        if notes := noted.get(start + place):
            told[place] += b',"notes":%b' % orjson.dumps([note.document() for note in notes])
    return told


def _written(numbers_B: NDArray[np.float64]) -> list[bytes]:
    # Six digits: the figures are known to about three.
    return [b"%.6g" % number if math.isfinite(number) else b"null" for number in numbers_B.tolist()]
