"""Successive halving: which job of a sweep has fallen behind the others that came to its rung."""

from sqlalchemy import Connection, func, select

from service.store.tables import epochs, jobs, sweeps
from service.sweeps.spec import Halving


def falls_behind(connection: Connection, job_id: str, epoch: int) -> bool:
    """Whether a job of a sweep with halving, having recorded this epoch, is not among those that go on.

    It goes on when its validation accuracy is among the best 1/reduction of those that the jobs of the sweep have
    recorded of this epoch so far; also while there are fewer of them than `reduction`, and beside its equals.
    """
    sweep = select(sweeps.c.id, sweeps.c.halving).join(jobs, jobs.c.sweep_id == sweeps.c.id)
    row = connection.execute(sweep.where(jobs.c.id == job_id)).one_or_none()
    if row is None or row.halving is None:
        return False
    halving = Halving.model_validate(row.halving)
    if not halving.is_rung(epoch):
        return False
    at_rung = (epochs.c.epoch == epoch) & epochs.c.complete
    mine = connection.scalar(select(epochs.c.val_accuracy).where(epochs.c.job_id == job_id, at_rung))
    if mine is None:
        return False
    better = func.count().filter(epochs.c.val_accuracy > mine)
    rivals = select(jobs.c.id).where(jobs.c.sweep_id == row.id)
    query = select(func.count().label("come"), better.label("better"))
    rung = connection.execute(query.where(epochs.c.job_id.in_(rivals), at_rung)).one()
    places: int = rung.come // halving.reduction
    return 0 < places <= int(rung.better)
