"""Whose key was not made for models promotes nothing: not by a job, not by a trial, not by one that goes on."""

from collections.abc import Set

from models.spec import TrainingSpec
from service.access.caller import Caller
from service.errors import Fault, Forbidden
from service.sweeps.spec import SweepSpec


def permitted(spec: TrainingSpec, caller: Caller, given: Set[str] | None = None, place: str = "") -> TrainingSpec:
    """Give a spec as whoever asks may have it trained: one that says nothing of it promotes nothing, and tells so.

    `given` are the fields that the client gave, by default those that the spec was made with. Raises Forbidden for one
    that asks for promotion.
    """
    if "models" in caller.scopes or spec.promote == "never":
        return spec
    if "promote" in (spec.model_fields_set if given is None else given):
        detail = (
            f"promote is {spec.promote}, and the key was not made for the scope models: leave promote out, or say never"
        )
        raise Forbidden(detail, faults=[Fault(f"{place}/promote", detail)])
    return spec.model_copy(update={"promote": "never"})


def permitted_sweep(sweep: SweepSpec, caller: Caller) -> SweepSpec:
    """Give a sweep whose trials to come promote nothing either, where those who ask may not have it."""
    if "models" in caller.scopes:
        return sweep
    if "promote" in sweep.varied:  # which is looked at trial by trial, where all are known by now
        if sweep.tpe is not None:
            raise Forbidden("promote is drawn, and the key was not made for the scope models: leave it out")
        return sweep
    return sweep.model_copy(update={"base": {"promote": "never", **sweep.base}})
