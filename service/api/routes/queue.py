"""/queue and /workers: who waits, when it will be whose turn, and who is there to train."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.api.dependencies import Dependencies, Deps
from service.api.documents import DocumentRoute
from service.api.outlook import Outlook, WaitsFor, waits_for
from service.api.problems import problems
from service.api.schemas.queue import OfAccount, OfOthers, QueueView, Waiting, WorkerList, WorkerView, queued_job
from service.edge.links import link
from service.store.engine import Row, moment
from service.store.job_ids import whole
from service.store.queue.simulation import Begins
from service.store.states import Job as JobRow

router = APIRouter(tags=["queue"], route_class=DocumentRoute)


def waiting(job: JobRow, deps: Dependencies) -> Waiting | None:
    """Tell what a job waits for, if it waits for anything."""
    if job.state != "queued":
        return None
    its_id = whole(deps.account, job.id)
    outlook = deps.outlooks.now(its_id)
    why: WaitsFor = "rung" if job.waits_at_rung else waits_for(outlook, deps.account, deps.floor)
    return Waiting.of(why, outlook.begins.get(its_id), outlook.snapshot.at)


@router.get("/queue", summary="Look at the queue", responses=problems(422, 503))
def queue(
    deps: Deps,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.")] = 20,
) -> QueueView:
    """Tell who waits, and in which order and when your jobs are to begin: the first 5,000 of them.

    Accounts share the processes by weight, and each has its jobs in the order of their priority and age. Jobs of equal
    shape begin together. Places are those of a moment: whoever comes may be before you.
    """
    outlook, account = deps.outlooks.now(), deps.account
    its, first = outlook.snapshot, after or 0
    mine = [row.id for row in its.waiting.get(account, ())]
    last = Begins(len(outlook.begins) + 1, 0.0)
    mine.sort(key=lambda job_id: outlook.begins.get(job_id, last).place)
    rows = {whole(account, row.id): row for row in deps.store.jobs.these(mine[first : first + limit + 1])}
    shown = [rows[job_id] for job_id in mine[first : first + limit] if job_id in rows]
    return QueueView(
        at=moment(its.at),
        processes=its.slots,
        busy=outlook.busy(),
        yours=OfAccount(
            account=account,
            weight=its.shares.of(account).weight,
            waiting=its.counts.get(account, 0),
            running=sum(row.account == account for row in its.running),
            processes=len({row.owner for row in its.running if row.account == account}),
        ),
        others=_others(outlook, account),
        data=[queued_job(row, outlook.begins.get(whole(account, row.id)), its.at) for row in shown],
        has_more=len(mine) > first + limit,
        next=link(f"/queue?limit={limit}&after={first + limit}") if len(mine) > first + limit else None,
    )


@router.get("/workers", summary="List the workers", responses=problems(503))
def workers(deps: Deps) -> WorkerList:
    """Tell which workers were seen within a day, and what they do."""
    outlook = deps.outlooks.now()
    silent = 3000 * deps.settings.heartbeat_seconds
    rows = deps.store.workers.all()
    return WorkerList(data=[WorkerView.of(row, outlook, deps.account, silent_after_ms=silent) for row in rows])


def _others(outlook: Outlook, account: str) -> OfOthers:
    waiting = {name: count for name, count in outlook.snapshot.counts.items() if name != account}
    running: list[Row] = [row for row in outlook.snapshot.running if row.account != account]
    return OfOthers(
        accounts=len(waiting.keys() | {row.account for row in running}),
        waiting=sum(waiting.values()),
        running=len(running),
    )
