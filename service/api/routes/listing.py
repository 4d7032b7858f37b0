"""Lists in pages: how many, from where on, what follows, and labels to find things by."""

import re

from service.errors import Fault, Invalid

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9._ -]*")


def label_pairs(label: list[str] | None) -> list[tuple[str, str]]:
    """Read labels that are sought as key:value."""
    for text in label or []:
        if not LABEL.fullmatch(text):
            raise Invalid(
                "a label is sought as key:value",
                faults=[Fault("#query/label", f"{text!r} is not of the form key:value")],
            )
    return [(key, value) for key, _, value in (text.partition(":") for text in label or [])]
