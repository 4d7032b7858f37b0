"""What a card says in words: what a network is for, what it is not for, and what its novelty means."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.data.schema import USUAL, Images, Table

_MOST_COLUMNS = 20
"""That are named."""

_CHOSEN = (
    "The epoch that is served was chosen by the validation part, and the temperature fitted to it: new {things} of the "
    "same kind are read a little worse than the figures say, {things} of another kind much worse."
)
_HARM = (
    "It is not for anything where an error hurts somebody, such as money, medicine or marks, unless a human looks at "
    "every answer."
)


def things(schema: Mapping[str, Any] | None) -> str:
    """Give what a network reads, images or rows, by its schema as a card holds it; cards of before hold none."""
    return "rows" if schema is not None and schema["kind"] == "table" else "images"


def use(schema: Images | Table) -> str:
    """Say what a network is for."""
    read = f"{_things(schema)} like those that it was trained on"
    return (
        f"To learn with, to compare networks, and to read {read}, where a wrong answer costs nothing or a human looks "
        "at it."
    )


def limits(schema: Images | Table) -> list[str]:
    """Say what a network is not for, and what its figures do not say."""
    one, several = ("row", "rows") if isinstance(schema, Table) else ("image", "images")
    count = "ten" if len(schema.classes) == 10 else f"{len(schema.classes):,}"
    return [
        _takes(schema),
        f"It names one of its {count} classes for every {one}, also for one that shows none of them. The entropy of a "
        "prediction and its novelty help to notice that, and miss some.",
        _CHOSEN.format(things=several),
        "It was not measured whether all people's handwriting is read equally well."
        if schema == USUAL
        else "It was not measured whether what it reads is read equally well of all people, places and times.",
        _HARM,
    ]


def novelty(schema: Images | Table) -> str:
    """Say what novelty is."""
    several = _things(schema)
    one, its = ("a row", "numbers") if isinstance(schema, Table) else ("an image", "pixels")
    return (
        f"Novelty is the share of {several} like the validation {several} that look at least as unusual as {one}, at "
        f"most: by the distance of its {its} from theirs or from their middle, or by the entropy of its prediction, "
        f"whichever is more unusual. Of {several} like them, about one in a hundred is below 0.01."
    )


def _things(schema: Images | Table) -> str:
    return "rows" if isinstance(schema, Table) else "images"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_MOST_COLUMNS])
    if len(names) > _MOST_COLUMNS:
        shown.append(f"{len(names) - _MOST_COLUMNS:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _takes(schema: Images | Table) -> str:
    if isinstance(schema, Table):
        numbers = [column.name for column in schema.columns if column.type == "number"]
        others = [column.name for column in schema.columns if column.type != "number"]
        holding = " and ".join(
            f"{what} in {_listed(names)}" for names, what in ((numbers, "numbers"), (others, "levels")) if names
        )
        lacking = (
            "What a row lacks is filled in with what is usual, and the answer notes it."
            if schema.missing == "impute"
            else "A row that lacks one is refused."
        )
        return f"It takes rows of a table, with {holding}. {lacking}"
    colour = "grey" if schema.channels == 1 else "colour"
    if schema.preparation == "digits":
        return (
            f"It takes one {colour} image of {schema.height} x {schema.width} pixels, light on dark, with one thing on "
            "it, placed as in its data set. Several digits, words and photographs are not for it."
        )
    return (
        f"It takes one {colour} image of {schema.height} x {schema.width} pixels, with one thing on it, taken, cut and "
        "lit as those of its data set. Others are scaled to that size, and read worse the less they are like them."
    )
