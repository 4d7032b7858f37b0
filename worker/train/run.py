"""One run of jobs of equal shape: claim -> load or resume -> for each record of the training: write it down."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from models import training, tuning
from models.checkpoints import Checkpoint, fingerprint
from models.data.split import Split, prepare
from models.data.split_cache import SplitCache
from models.device import choose, require_fast
from models.records import Ended, Epoch, Failed, TrainingRecord
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.disk.floor import Floor
from service.settings import Settings
from service.store import owners
from service.store.claims import Claim
from service.store.engine import DatabaseError, cause
from service.store.errors import LeaseLost
from service.store.promotion import Promotion
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.states import State
from service.store.store import Store
from service.store.versions import NO_FINDINGS
from worker import multiplying
from worker.comparison.contest import Contest
from worker.datasets import stored
from worker.train import assess, epoch, held_out
from worker.train.free_core import FreeCore
from worker.train.lease import Lease
from worker.train.resume import find_checkpoint
from worker.train.rungs import AtRungs
from worker.train.stopping import Stopping

_logger = logging.getLogger(__name__)

_TELL_AGAIN_SECONDS = 60.0
_told_at = float("-inf")


def run(
    job_id: str | None,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    *,
    owner: str,
    trainer: Callable[..., Iterator[TrainingRecord]] = training.train,
) -> list[str]:
    """Claim a job, the one named or the one that has waited longest, and train it to its end.

    Jobs of equal shape that wait as well are claimed and trained with it. Gives the ids of those that were given back
    for another worker, and of those that waited at a rung until these came there.
    """
    # Before anything is claimed: a worker that lacks the device it was told to use must not fail the jobs of others.
    device = choose(settings.device)
    floor = Floor.of(settings, store.database.file)
    if (why := floor.shortage() or floor.unwritable()) is not None:
        _told_rarely(f"no job is begun: {why}")
        return []
    try:
        multiplying.settle(store, settings)
        claims = store.runs.claim(job_id, owner, most=settings.group_size or tuning.GROUP)
    except DatabaseError as error:
        # What was claimed all the same comes back when its lease expires; else it is rung for again.
        _logger.warning("no job could be claimed: %s", cause(error))
        return []
    for claim in claims:
        _logger.info("job %s: attempt %d begins after epoch %d", claim.job_id, claim.attempt, claim.last_epoch)
    if not claims:
        return []
    released: list[str] = []
    try:
        with Lease(store.runs, claims, settings) as lease:
            stopping = Stopping(lease)
            rungs = AtRungs(store.rungs, lease, stopping)
            run = _Run(lease, stopping, rungs, store, artifacts, settings, device, trainer, released)
            if sound := [claim for claim in claims if run.is_sound(claim)]:
                run.train(sound)
        if any(claim.halving is not None and claim.halving.synchronous for claim in claims):
            released += store.rungs.settle()
    except DatabaseError as error:
        # No fault of the jobs'. Nothing more is written; once the leases have expired, another attempt goes on.
        _logger.warning("%d job(s) lost the database: %s", len(claims), cause(error))
    return released


def _told_rarely(warning: str) -> None:
    """Log a warning that would be said again with every ring, once a minute."""
    global _told_at
    if time.monotonic() - _told_at > _TELL_AGAIN_SECONDS:
        _told_at = time.monotonic()
        _logger.warning(warning)


@dataclass(eq=False)
class _Run:
    lease: Lease
    stopping: Stopping
    rungs: AtRungs
    store: Store
    artifacts: Artifacts
    settings: Settings
    device: str
    trainer: Callable[..., Iterator[TrainingRecord]]
    released: list[str]
    """Jobs that were given back and wait for another worker."""

    def is_sound(self, claim: Claim) -> bool:
        """Whether the spec is still one that this version trains; if not, the job fails, and not those beside it."""
        try:
            TrainingSpec.model_validate(claim.spec)
        except ValidationError as error:
            self._fail(claim, error)
            return False
        return True

    def train(self, claims: Sequence[Claim]) -> None:
        """Train jobs of equal shape; what all of them lack is told on the record of each."""
        spec = TrainingSpec.model_validate(claims[0].spec)
        try:
            require_fast(spec.precision, self.device)
            uploaded = stored(spec.dataset, self.store.of(claims[0].account), self.artifacts)
            split = prepare(spec, self.settings.data, uploaded, self._cache())
        except DatabaseError:
            raise
        except Exception as error:
            _logger.warning("%d job(s) cannot be trained here", len(claims), exc_info=True)
            for claim in claims:
                self._fail(claim, error)
        else:
            self._train_together(claims, split)

    def _cache(self) -> SplitCache:
        """Give what the processes of this machine share: twice the room must be there, jobs and models come first."""
        floor = Floor.of(self.settings, self.store.database.file)
        return SplitCache(
            self.settings.cache,
            self.settings.prepared_data_bytes,
            has_room=lambda size: floor.shortage(more=2 * size) is None,
        )

    def _train_together(self, claims: Sequence[Claim], split: Split) -> None:
        """Train jobs as one group, and in halves what an error leaves of it, until whose error it is has shown."""
        try:
            self._follow(claims, split)
        except DatabaseError:
            raise
        except Exception as error:
            left = [claim for claim in claims if not self.lease.lost(claim)]
            if len(claims) == 1:
                for claim in left:
                    self._fail(claim, error)
                return
            # It may be one job's, or memory that does not suffice for all at once.
            _logger.warning("%d jobs cannot be trained together; they are tried in halves", len(claims), exc_info=True)
        else:
            return
        # Not within the handler: while an error is held, so are the tensors of the frames it passed.
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            if half:
                self._train_together(half, split)

    def _follow(self, claims: Sequence[Claim], split: Split) -> None:
        specs = [TrainingSpec.model_validate(claim.spec) for claim in claims]
        records = self.trainer(
            specs,
            split,
            resume=[self._resume(claim, split) for claim in claims],
            should_stop=lambda network: self._should_stop(claims[network]),
            device=self.device,
            evaluate_beside=FreeCore(self.settings.threads),
        )
        for record in records:
            claim = claims[record.network]
            if self.lease.lost(claim):
                continue
            try:
                self._write_down(record, claim, specs[record.network], split)
            except LeaseLost:
                self._forget(claim)
            except OSError as error:
                # What one job cannot write need not keep the others from writing.
                self._fail(claim, error)

    def _should_stop(self, claim: Claim) -> training.Stop | None:
        self.rungs.compare()
        return self.stopping.should_stop(claim)

    def _write_down(self, record: TrainingRecord, claim: Claim, spec: TrainingSpec, split: Split) -> None:
        match record:
            case Epoch():
                self._record(record, claim, spec, split)
            case Ended():
                self._end(claim, spec, split)
                self.lease.give_up(claim)
            case Failed():
                self._fail(claim, record.error)

    def _end(self, claim: Claim, spec: TrainingSpec, split: Split) -> None:
        if self.stopping.is_released(claim):
            waits = self.stopping.waits_at_rung(claim)
            state: State = self.store.runs.release(claim, waits_at_rung=waits)
            if state == "queued" and not waits:
                self.released.append(claim.job_id)
        else:
            state = self._finish(claim, spec, split)
        _logger.info("job %s: %s", claim.job_id, state)

    def _finish(self, claim: Claim, spec: TrainingSpec, split: Split) -> State:
        findings, candidate, test_accuracy = NO_FINDINGS, None, None
        store, artifacts = self.store.of(claim.account), self.artifacts.of(claim.account)
        if not self.stopping.is_cancelled(claim):
            test_accuracy = held_out.measure(claim.job_id, spec, split, store, artifacts)
            findings, candidate = assess.assess_best(claim.job_id, spec, split, store, artifacts, self.settings)
        made_with = epoch.made_with(claim.job_id, spec, split, self.device, store, artifacts)
        promotion = Promotion.of(spec)
        contest = Contest(spec.model, spec.metric, promotion, candidate, store, artifacts, self.settings)
        try:
            state, unreferenced = contest.settle(
                lambda verdict: self.store.runs.finish(
                    claim,
                    stopped_early=self.stopping.why_early(claim),
                    findings=replace(findings, verdict=verdict),
                    made_with=made_with,
                    test_accuracy=test_accuracy,
                )
            )
        except LeaseLost:
            self.artifacts.remove([file.key for file in findings.files])
            raise
        self.artifacts.remove(unreferenced)
        return state

    def _record(self, record: Epoch, claim: Claim, spec: TrainingSpec, split: Split) -> None:
        files = epoch.write(claim.job_id, record, spec, split, self.artifacts)
        try:
            superseded = self.store.runs.record_epoch(claim, epoch.record(record), files)
        except LeaseLost:
            # Only here: after any other error it is unknown whether the record points to the files by now.
            self.artifacts.remove({file.key for file in files})
            raise
        self.artifacts.remove(superseded)
        if record.complete:
            self.rungs.came(claim, record.epoch)

    def _resume(self, claim: Claim, split: Split) -> Checkpoint | None:
        store = self.store.of(claim.account)
        found = find_checkpoint(claim, store, self.artifacts, split.digest, fingerprint(self.device))
        epoch_number = found.checkpoint.epoch if found.checkpoint else 0
        try:
            spec = TrainingSpec.model_validate(claim.spec)
            rewound = self.store.runs.rewind(
                claim,
                epoch_number,
                bit_identical=found.bit_identical,
                parameters=spec.parameters_for(split.inputs, len(split.classes)),
            )
            self.artifacts.remove(rewound)
            # What attempts before this one wrote and did not live to record. Should one of them only sleep, it will be
            # told that it was replaced.
            owner = owners.of_job(claim.job_id)
            written = self.artifacts.keys(owner, (*epoch.STEMS, *assess.STEMS))
            self.artifacts.remove(store.files.unreferenced(written))
        except LeaseLost:
            self._forget(claim)
        else:
            if epoch_number:
                self.stopping.goes_on(claim)
            self.rungs.came(claim, epoch_number)
        return found.checkpoint

    def _fail(self, claim: Claim, error: Exception) -> None:
        try:
            if may_pass(error):
                self._give_back(claim, error)
            else:
                _logger.warning("job %s failed", claim.job_id, exc_info=error)
                self.store.runs.fail(claim, {"type": type(error).__name__, "message": told(error)[:2000]})
        except LeaseLost:
            _logger.warning("job %s: its failure comes too late to be recorded", claim.job_id)
        self.lease.give_up(claim)

    def _give_back(self, claim: Claim, error: Exception) -> None:
        """Let a job wait whose checkpoint could not be written: it goes on from the one before, with the same bits."""
        message = (
            f"a worker could not write ({told(error)}), {MAX_FRUITLESS_ATTEMPTS} times in a row; look after the disk, "
            f"then POST /jobs/{claim.called}/continue goes on after its last epoch, /retry begins anew"
        )
        state = self.store.runs.give_back(claim, {"type": "disk", "message": message})
        _logger.warning("job %s could not be written down: %s; it is %s", claim.job_id, told(error), state)

    def _forget(self, claim: Claim) -> None:
        _logger.warning("job %s: attempt %d was replaced or the job is gone; it stops", claim.job_id, claim.attempt)
        self.lease.give_up(claim)
