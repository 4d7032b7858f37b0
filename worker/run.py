"""One run of jobs of equal shape: claim -> load or resume -> for each record of the training: write it down."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from models import data, training, tuning
from models.checkpoints import Checkpoint, unpack
from models.device import choose, require_fast
from models.run import Ended, Epoch, Failed, Record
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import Store
from service.store.engine import DatabaseError, cause
from service.store.jobs import StoppedEarly, owner_of
from service.store.runs import Claim, LeaseLostError
from worker import epoch
from worker.lease import Lease

_logger = logging.getLogger(__name__)


def run(
    job_id: str,
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    *,
    owner: str,
    trainer: Callable[..., Iterator[Record]] = training.train,
) -> None:
    """Claim a job, the one named or the one that has waited longest, and train it to its end.

    Jobs of equal shape that wait as well are claimed and trained with it.
    """
    # Before anything is claimed: a worker that lacks the device it was told to use must not fail the jobs of others.
    device = choose(settings.device)
    claims = store.runs.claim(job_id, owner, most=settings.group_size or tuning.group_size())
    for claim in claims:
        _logger.info("job %s: attempt %d begins after epoch %d", claim.job_id, claim.attempt, claim.last_epoch)
    if not claims:
        return
    try:
        with Lease(store.runs, claims, settings) as lease:
            run = _Run(lease, store, artifacts, settings, device, trainer)
            if sound := [claim for claim in claims if run.is_sound(claim)]:
                run.train(sound)
    except DatabaseError as error:
        # No fault of the jobs'. Nothing more is written; once the leases have expired, another attempt goes on.
        _logger.warning("%d job(s) lost the database: %s", len(claims), cause(error))


@dataclass(frozen=True)
class _Run:
    lease: Lease
    store: Store
    artifacts: Artifacts
    settings: Settings
    device: str
    trainer: Callable[..., Iterator[Record]]
    behind: set[str] = field(default_factory=set)
    """Jobs that others of their sweep have left too far behind to go on."""

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
            split = data.prepare(spec, self.settings.data, self._uploaded(spec.dataset))
        except DatabaseError:
            raise
        except Exception as error:
            _logger.warning("%d job(s) can not be trained here", len(claims), exc_info=True)
            for claim in claims:
                self._fail(claim, error)
        else:
            self._train_together(claims, split)

    def _train_together(self, claims: Sequence[Claim], split: data.Split) -> None:
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
            _logger.warning("%d jobs can not be trained together; they are tried in halves", len(claims), exc_info=True)
        else:
            return
        # Not within the handler: while an error is held, so are the tensors of the frames it passed.
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            if half:
                self._train_together(half, split)

    def _follow(self, claims: Sequence[Claim], split: data.Split) -> None:
        specs = [TrainingSpec.model_validate(claim.spec) for claim in claims]
        records = self.trainer(
            specs,
            split,
            resume=[self._resume(claim) for claim in claims],
            should_stop=lambda network: self._should_stop(claims[network]),
            device=self.device,
        )
        for record in records:
            claim = claims[record.network]
            if self.lease.lost(claim):
                continue
            try:
                self._write_down(record, claim, specs[record.network], split)
            except LeaseLostError:
                self._forget(claim)
            except OSError as error:
                # A disk that is full for one job need not be full for the others.
                self._fail(claim, error)

    def _write_down(self, record: Record, claim: Claim, spec: TrainingSpec, split: data.Split) -> None:
        match record:
            case Epoch():
                self._record(record, claim, spec, split)
            case Ended():
                stopped_early: StoppedEarly | None = "halving" if claim.job_id in self.behind else None
                _logger.info("job %s: %s", claim.job_id, self.store.runs.finish(claim, stopped_early=stopped_early))
                self.lease.give_up(claim)
            case Failed():
                self._fail(claim, record.error)

    def _record(self, record: Epoch, claim: Claim, spec: TrainingSpec, split: data.Split) -> None:
        files = epoch.write(claim.job_id, record, spec, split, self.artifacts)
        try:
            superseded = self.store.runs.record_epoch(claim, epoch.record(record), files)
        except LeaseLostError:
            # Only here: after any other error it is unknown whether the record points to the files by now.
            self.artifacts.remove({file.key for file in files})
            raise
        self.artifacts.remove(superseded)
        if claim.sweep_id is not None and self.store.sweeps.falls_behind(claim.job_id, record.epoch):
            self.behind.add(claim.job_id)

    def _should_stop(self, claim: Claim) -> bool:
        return claim.job_id in self.behind or self.lease.should_stop(claim)

    def _uploaded(self, dataset: str) -> Path | None:
        table = self.store.files.get(f"datasets/{dataset}", "table.npy")
        return self.artifacts.path(table.key) if table is not None else None

    def _resume(self, claim: Claim) -> Checkpoint | None:
        checkpoint = self._last_checkpoint(claim)
        try:
            self.artifacts.remove(self.store.runs.rewind(claim, checkpoint.epoch if checkpoint else 0))
        except LeaseLostError:
            self._forget(claim)
        return checkpoint

    def _last_checkpoint(self, claim: Claim) -> Checkpoint | None:
        """Read the checkpoint of the last epoch; None when there is none, or when it was damaged.

        A run from the start ends with the same bits, only later.
        """
        owner, files = owner_of(claim.job_id), self.store.files
        weights, state = files.get(owner, "last.safetensors"), files.get(owner, "last.state.safetensors")
        if weights is None or state is None:
            return None
        try:
            return unpack(
                self.artifacts.read(weights.key, weights.sha256), self.artifacts.read(state.key, state.sha256)
            )
        except (ValueError, FileNotFoundError) as error:
            _logger.warning("job %s starts again from its first epoch: %s", claim.job_id, error)
            return None

    def _fail(self, claim: Claim, error: Exception) -> None:
        _logger.warning("job %s failed", claim.job_id, exc_info=error)
        try:
            self.store.runs.fail(claim, {"type": type(error).__name__, "message": str(error)[:2000]})
        except LeaseLostError:
            _logger.warning("job %s: its failure comes too late to be recorded", claim.job_id)
        self.lease.give_up(claim)

    def _forget(self, claim: Claim) -> None:
        _logger.warning("job %s: attempt %d was replaced or the job is gone; it stops", claim.job_id, claim.attempt)
        self.lease.give_up(claim)
