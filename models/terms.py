"""What the values of a spec's fields may look like, and a spec for an example."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
"""A name a client may give to a job, a label or a data set."""

LabelValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._ -]*$", max_length=128)]

Width = Annotated[int, Field(strict=True, ge=1, le=4096)]

DataName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9][a-z0-9-]{0,62}:)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[1-9][0-9]{0,8})?$", max_length=138
    ),
]
"""A data set, `letters`, or one version of it, `letters/3`; of another account, `acme:letters/3`."""

ClassWeight = Annotated[float, Field(strict=True, gt=0.0, le=1e6)]

EXAMPLE: dict[str, Any] = {
    "name": "report-trial-1",
    "architecture": "mlp",
    "hidden_sizes": [100, 50],
    "dataset": "mnist",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 128,
    "epochs": 10,
}
