"""By which kernels this process multiplies: those that are known to be best here, or were once measured to be."""

from dataclasses import astuple
from functools import cache
from typing import cast

from models.compiled import library
from models.products import choice
from models.products.choice import Choice
from models.products.kernels import KERNELS, Name
from service.settings import Settings
from service.store.store import Store


def settle(store: Store, settings: Settings) -> None:
    """Choose before anything is trained, once in a process; raises DatabaseError where the record must be asked."""
    _settled(store, settings.kernels == "reference")


@cache
def _settled(store: Store, reference: bool) -> None:
    library.use(compiled=not reference)
    if reference:
        choice.use(choice.REFERENCE)
    elif choice.known() is None:
        small, large = store.processors.settle(choice.asked(), lambda: astuple(choice.measured()))
        # Of a later version's kernels this one knows nothing, and perhaps it is not compiled as who measured was.
        usable = set(KERNELS) if library.multiplies() else set(KERNELS) - {"compiled"}
        if small == "compiled" and small not in usable:
            small = large
        are_usable = {small, large} <= usable
        choice.use(Choice(cast(Name, small), cast(Name, large)) if are_usable else choice.REFERENCE)
    else:
        choice.use(None)
