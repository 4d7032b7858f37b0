"""In which of the forms that there are an answer is wished, by Accept: RFC 9110, section 12.5.1."""

from functools import lru_cache

JSON, LINES, CSV = "application/json", "application/x-ndjson", "text/csv"

_FORMS = {JSON: JSON, CSV: CSV, "application/csv": CSV, LINES: LINES, "application/ndjson": LINES}
_ORDER = (JSON, CSV, LINES)
"""Of forms that are wished alike, the last: who names one of these beside JSON has a use for it."""


@lru_cache(maxsize=64)
def wished(accept: bytes) -> str:
    """Give JSON, LINES or CSV: what is wished most; JSON where none of them is named."""
    qualities = dict[str, float]()
    for part in accept.decode("latin-1").lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in _FORMS:
            qualities[_FORMS[kind]] = _quality(parameters)
    named = [form for form in _ORDER if qualities.get(form, 0.0) > 0.0]
    return max(named, key=lambda form: (qualities[form], _ORDER.index(form)), default=JSON)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, float(value))
            except ValueError:
                return 0.0
    return 1.0
