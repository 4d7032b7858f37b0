"""Which arrays are pictures or features, which are their labels, and for what part: by names, else by shapes.

Legend of shapes: N examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading.arrays import called, label_arrays
from models.data.reading.arrays.array import Array
from models.data.reading.arrays.blocks import PARTS
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.named import nearest
from models.data.reading.options import Options
from models.data.reading.told import Told
from models.data.schema import MAX_CLASSES

_EXAMPLE = "name them as x_train and y_train, or images and labels"


@dataclass(frozen=True)
class Pair:
    """Examples, and their labels, if they stand in another array; `part` is that of `models.data.examples`."""

    values: Array
    labels: Array | None
    part: int | None


@dataclass(frozen=True)
class Pairs:
    """All examples of a file, what their labels are called, and the array that names the classes, if there is one."""

    pairs: Sequence[Pair]
    label: str | None
    names: Array | None


def find(arrays: Sequence[Array], options: Options, told: Told) -> tuple[Pairs, Options]:
    """Sort arrays out; gives options without those that were about arrays. Raises UnreadableError."""
    if len(arrays) == 1 and not isinstance(options.label, str):
        (array,) = arrays
        return Pairs([Pair(array.require(), None, None)], None, None), options
    left, options = _without_ignored(arrays, options, told)
    label, options = _label_said(left, options)
    known = {array.name: called.said(array.name) for array in left}
    names = [array for array in left if known[array.name].role == "names" and label != array.name]
    others = [array for array in left if array not in names]
    groups = dict[int | None, list[Array]]()
    for array in others:
        groups.setdefault(known[array.name].part, []).append(array)
    if None in groups and len(groups) > 1:
        for array in groups.pop(None):
            told.leave_out(array.name, "others say whether they are for training or test, and it does not")
    pairs = [_pair(group, part, label, told) for part, group in sorted(groups.items(), key=lambda item: item[0] or 0)]
    kept = [pair for pair in pairs if pair is not None]
    with_labels = [pair for pair in kept if pair.labels is not None]
    if with_labels and len(with_labels) < len(kept):
        for pair in kept:
            if pair.labels is None:
                told.leave_out(pair.values.name, "no array holds its labels")
                told.warn("examples without labels", f"{pair.values.shown} is left out: no array holds its labels")
        kept = with_labels
    if not kept:
        raise _none(left)
    its_names = _class_names(names, kept, told)
    its_label = None
    if kept[0].labels is not None:
        its_label = label or called.said(kept[0].labels.name).word or kept[0].labels.name
    return Pairs(kept, its_label, its_names), options


def _without_ignored(arrays: Sequence[Array], options: Options, told: Told) -> tuple[list[Array], Options]:
    names = {array.name for array in arrays}
    ignored = [name for name in options.ignore if name in names]
    for name in ignored:
        told.leave_out(str(name), "so it was said")
    rest = tuple(name for name in options.ignore if name not in names)
    return [array for array in arrays if array.name not in ignored], options.model_copy(update={"ignore": rest})


def _label_said(arrays: Sequence[Array], options: Options) -> tuple[str | None, Options]:
    """Give the name that was said to be that of the labels; raises UnreadableError where no array has it."""
    said = options.label
    if said is None:
        return None, options
    without = options.model_copy(update={"label": None})
    names = [array.name for array in arrays]
    if isinstance(said, str) and any(said in {name, called.without_part(name)} for name in names):
        return said, without
    if isinstance(said, int) and all(not label_arrays.may_be(array) for array in arrays):
        return None, options
    raise UnreadableError(Fault("label", f"no array is called {said!r}", nearest(str(said), names)))


def _pair(group: Sequence[Array], part: int | None, label: str | None, told: Told) -> Pair | None:
    """Find examples and labels among the arrays of one part; None where there are no examples."""
    roles = {array.name: called.said(array.name).role for array in group}
    if label is None:
        labels = [array for array in group if roles[array.name] == "labels"]
    else:
        labels = [array for array in group if label in {array.name, called.without_part(array.name)}]
        for array in group:
            if roles[array.name] == "labels" and array not in labels:
                told.leave_out(array.name, f"{label!r} was said to hold the labels")
    values = [array for array in group if roles[array.name] == "values" and array not in labels]
    spare = [array for array in group if roles[array.name] is None and array not in labels]
    if not labels and not values:
        likely = [array for array in spare if not label_arrays.may_be(array) and not array.fault]
        # Of two with several columns, that with fewer of them may be one-hot.
        likely.sort(key=lambda array: -array.form.size // max(1, array.shape[0]))
        values = likely[: 1 if len(likely) == 2 and _may_be_one_hot(likely[1]) else None]
    if not values:
        values = [
            array for array in spare if array not in labels and _is_beside(array, labels) and len(array.shape) > 1
        ]
    if len(values) == 1 and not labels:
        rest = [array for array in spare if array is not values[0] and _is_beside(array, values)]
        labels = [array for array in rest if label_arrays.may_be(array)] or [
            each for each in rest if _may_be_one_hot(each)
        ]
    _refuse_several_sets(values, labels)
    _only(values, "examples", part)
    _only(labels, "labels", part)
    used = [*values, *labels]
    for array in spare:
        if array not in used:
            told.leave_out(array.name, array.fault.detail if array.fault else "its name says nothing that is known")
    if not values:
        for array in labels:
            told.leave_out(array.name, "no array holds the examples that belong to it")
        return None
    its, of_it = values[0].require(), labels[0].require() if labels else None
    if of_it is not None and its.shape[0] != of_it.shape[0]:
        raise unequal(its, of_it)
    return Pair(its, of_it, part)


def unequal(values: Array, labels: Array) -> UnreadableError:
    """Give the refusal of examples and labels of which there are not as many."""
    return UnreadableError(
        Fault(
            values.where,
            f"{values.shown} has {values.shape[0]:,} examples, and {labels.shown} {labels.shape[0]:,} labels",
            "send as many labels as examples; the first axis of each counts them",
        )
    )


def _is_beside(array: Array, others: Sequence[Array]) -> bool:
    return not array.fault and all(array.shape[0] == other.shape[0] for other in others)


def _may_be_one_hot(array: Array) -> bool:
    return len(array.shape) == 2 and 1 < array.shape[1] <= MAX_CLASSES and array.form.dtype.kind in "biuf"


def _only(found: Sequence[Array], what: str, part: int | None) -> None:
    if len(found) > 1:
        of = "" if part is None else f" for {PARTS[part]}"
        named = ", ".join(array.shown for array in found[:10])
        remedy = f"say which one: label={found[0].name}" if what == "labels" else "keep one of them"
        raise UnreadableError(
            Fault("arrays", f"{named} may all hold the {what}{of}", f"{remedy}, or leave others out: ignore=[...]")
        )


def _refuse_several_sets(values: Sequence[Array], labels: Sequence[Array]) -> None:
    """Refuse several data sets of one form beside each other, as EMNIST's archive holds all six of them."""
    sets = [dict.fromkeys(called.data_set(array.name) for array in some) for some in (values, labels)]
    if len(sets[0]) > 1 and set(sets[0]) == set(sets[1]) and all(sets[0]):
        names = list(sets[0])
        raise UnreadableError(
            Fault(
                "file",
                f"it holds {len(names)} data sets: {', '.join(names[:10])}",
                f"send one of them alone: what has {names[0]} in its name, in one ZIP or NPZ, or as parts of one form",
            )
        )


def _class_names(names: Sequence[Array], pairs: Sequence[Pair], told: Told) -> Array | None:
    """Choose the array that names the classes, if one does."""
    chosen: Array | None = None
    for array in names:
        fits = not array.fault and len(array.shape) == 1 and array.form.dtype.kind in "SU"
        about_classes = "feature" not in array.name.lower() and array.shape[0] != pairs[0].values.shape[0]
        if fits and about_classes and chosen is None:
            chosen = array
        else:
            told.leave_out(array.name, array.fault.detail if array.fault else "it holds neither examples nor labels")
    return chosen


def _none(arrays: Sequence[Array]) -> UnreadableError:
    if broken := [array.fault for array in arrays if array.fault]:
        return UnreadableError(*broken)
    named = ", ".join(array.shown for array in arrays[:10])
    return UnreadableError(
        Fault("arrays", f"which of them holds the examples cannot be told: {named or 'none'}", _EXAMPLE)
    )
