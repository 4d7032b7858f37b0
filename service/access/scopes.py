"""What a key may be made for; each scope lets it do that, and no scope includes another."""

from typing import Literal, get_args

Scope = Literal[
    "read",  # to look at what is on record, and at files
    "predict",  # to ask networks
    "train",  # to train, to measure, and to hold, cancel and delete jobs
    "data",  # to send data, and to delete it
    "models",  # to make, name, share and delete versions; only with it is anything promoted
    "admin",  # to rule keys, accounts and what they may take, and to read the audit list
]
SCOPES: tuple[Scope, ...] = get_args(Scope)

FIRST: tuple[Scope, ...] = SCOPES
"""Those of the first key of a home."""
