"""Query parameters and fields of forms that nobody knows are refused: to pass one over would be a wrong answer."""

from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal

from service.errors import MAX_FAULTS, Fault, Invalid, pointer

_ALIKE = 0.5
"""How alike two names are at least for one to be taken for the other; `status` and `state` are by 0.73."""

Place = Literal["query parameter", "form field"]


def require_known(given: Iterable[str], known: Mapping[str, bool], place: Place = "query parameter") -> None:
    """Refuse names that are not among the known ones, and several of one of which only one counts.

    `known` says of each whether it may be given several times. Raises Invalid.
    """
    where = "query" if place == "query parameter" else "body"
    faults: list[Fault] = []
    for name, count in Counter(given).items():
        if len(faults) == MAX_FAULTS:
            break
        if name not in known:
            faults.append(Fault(pointer((where, name)), _no_such(name, known, place)))
        elif count > 1 and not known[name]:
            faults.append(Fault(pointer((where, name)), f"{name} is given {count} times, and one counts; give it once"))
    if faults:
        raise Invalid("; ".join(fault.detail for fault in faults[:3]), faults=faults)


def _no_such(name: str, known: Mapping[str, bool], place: Place) -> str:
    if not known:
        return f"there is no {place} {name:.100}; this route has none"
    near = get_close_matches(name[:100], known, n=1, cutoff=_ALIKE)
    all_of_them = f"there are {', '.join(known)}" if len(known) > 1 else f"there is only {next(iter(known))}"
    meant = f"did you mean {near[0]}?" if near else all_of_them
    return f"there is no {place} {name:.100}; {meant}"
