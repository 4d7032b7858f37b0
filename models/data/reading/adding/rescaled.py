"""Pixels that are appended are brought to the scale and the steps of those before, exactly, or refused."""

from pathlib import Path

import numpy as np

from models.data.reading import scale
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.told import Told
from models.data.schema import Images


def bring(path: Path, schema: Images, said: tuple[float, float] | None, told: Told, base: str) -> None:
    """Bring the pixels of a .npy file to the scale of a schema; raises UnreadableError where that cannot be exact.

    `said` is the scale on which they came, if that was said; what was decoded from files of pictures is on theirs.
    """
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    low, high, whole = scale.bounds(values)
    decoded = "pictures" in told.taken_for
    said = (0.0, 255.0) if decoded else said
    its = said if said is not None else _scale(low, high, schema, base, whole=whole)
    if np.float32(low) < np.float32(its[0]) or np.float32(high) > np.float32(its[1]):
        raise _beyond(low, high, its)
    told.taken_for["scale"] = list(schema.scale)
    if said is None and its[1] > 1 and high < its[1] / 2:
        told.warn("scale", f"the greatest pixel is {high:g}, on the scale of {base} up to {its[1]:g}")
    came = f"pixels are on the scale from {its[0]:g} to {its[1]:g}"
    if schema.steps is None:
        if its != schema.scale:
            raise UnreadableError(
                Fault(
                    "scale",
                    f"pixels are on the scale from {its[0]:g} to {its[1]:g}, and those of {base} on that from "
                    f"{schema.scale[0]:g} to {schema.scale[1]:g}, kept as they came, to which none is brought exactly",
                    f"send them on the scale of {base}",
                )
            )
        if values.dtype != np.float32:
            scale.store(path, values, its, None)
        told.note("scale", f"{came}, as those of {base}")
        return
    if not scale.fits(values, its, schema.steps):
        raise UnreadableError(
            Fault(
                "scale",
                f"pixels are on the scale from {its[0]:g} to {its[1]:g}, and not in the {schema.steps} steps in which "
                f"those of {base} are kept, from {schema.scale[0]:g} to {schema.scale[1]:g}",
                f"send them as numbers on the scale of {base}, in a CSV or an NPZ"
                if decoded
                else f"send them in these steps; or say their scale, if it is another one: "
                f"scale=0,{scale.written(high)}",
            )
        )
    if values.dtype != np.uint8 or its != (0, schema.steps):
        off = scale.store(path, values, its, schema.steps)
        if off > scale.EXACT:
            told.note("scale", f"pixels are rounded by at most {off:.2g} of a step of 1/{schema.steps} of the scale")
    brought = "as those of" if its == schema.scale else f"brought to {schema.scale[0]:g} to {schema.scale[1]:g} of"
    told.note("scale", f"{came}, {brought} {base}")


def _scale(low: float, high: float, schema: Images, base: str, *, whole: bool) -> tuple[float, float]:
    """Tell on which scale pixels came of which that was not said: that of the version, unless they look otherwise."""
    least, greatest = schema.scale
    if not least <= low <= high <= greatest:
        return scale.known(low, high, whole=whole)[0]
    # 0 and 1 on a scale up to 255, or nothing below 0 on one from -1: which scale is meant would be a guess.
    is_dim = low < high <= 1 < greatest and low >= 0
    is_half = least < 0 <= low < high
    if is_dim and not whole:
        return (0.0, 1.0)
    if is_dim or is_half:
        raise UnreadableError(
            Fault(
                "scale",
                f"pixels go from {low:g} to {high:g}, and those of {base} are on the scale from {least:g} to "
                f"{greatest:g}: on which these are cannot be told",
                f"say it: scale={scale.written(least)},{scale.written(greatest)} or scale=0,1",
            )
        )
    return schema.scale


def _beyond(low: float, high: float, its: tuple[float, float]) -> UnreadableError:
    return UnreadableError(
        Fault(
            "scale",
            f"pixels go from {low:g} to {high:g}, beyond the scale from {its[0]:g} to {its[1]:g}",
            f"say the scale that they are on, as scale={scale.written(low)},{scale.written(high)}",
        )
    )
