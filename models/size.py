"""How large a network is: counted on paper, before any of it is allocated."""

import itertools

MAX_PARAMETERS = 10_000_000

LEAST_INPUTS, LEAST_CLASSES = 1, 2
"""What any data set has at least: all that is known before it is known which one."""


def parameter_count(architecture: str, hidden_sizes: tuple[int, ...], *, inputs: int, classes: int) -> int:
    """Count the numbers that a network of this shape learns."""
    sizes = (inputs, *hidden_sizes, classes)
    linear = sum(fan_in * fan_out + fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    normalisation = 2 * sum(hidden_sizes) if architecture == "nmlp" else 0
    return linear + normalisation


def too_large(
    architecture: str, hidden_sizes: tuple[int, ...], *, inputs: int | None = None, classes: int | None = None
) -> str | None:
    """Say that a network has more parameters than it may have, and what to do; None where it has not.

    Without inputs and classes it is told what it has at least, whatever the data.
    """
    least = inputs is None or classes is None
    parameters = parameter_count(
        architecture, hidden_sizes, inputs=inputs or LEAST_INPUTS, classes=classes or LEAST_CLASSES
    )
    if parameters <= MAX_PARAMETERS:
        return None
    counted = f"at least {parameters:,}" if least else f"{parameters:,}"
    return (
        f"hidden_sizes {list(hidden_sizes)} make a network of {counted} parameters, more than "
        f"the {MAX_PARAMETERS:,} allowed; use fewer or smaller layers"
    )
