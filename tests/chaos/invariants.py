"""What must be true of a record and its files once all jobs have ended, whatever happened meanwhile.

`python -m tests.chaos.invariants --home DIR --database-url URL` reads the database and the folder of artifacts and
nothing else, prints each violation, and ends with 1 if there is any. Nothing may run on that database meanwhile.
"""

import argparse
import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from sqlalchemy import Connection, Table, create_engine, make_url, select

from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.event_tables import events
from service.store.inheritance import history_of
from service.store.states import FINAL_STATES
from service.store.tables import artifacts, attempts, jobs, versions

REFERENCE = {"chaos": "reference"}
"""Label of the jobs that nobody disturbed."""

_OF_VERSIONS = ("version.", "alias.")
_OF_TRAINING = ("last.", "best.", "previous.", "evaluation.")


@dataclass(frozen=True)
class Violation:
    """Something that must never be: which rule, and what broke it."""

    rule: str
    what: str


@dataclass(frozen=True)
class Evidence:
    """All that is on record, and the folder of the files."""

    jobs: Sequence[Row]
    events: dict[str, list[Row]]
    epochs: dict[str, Sequence[Row]]
    attempts: dict[str, list[Row]]
    versions: dict[str, list[Row]]
    artifacts: Sequence[Row]
    folder: Path

    @classmethod
    def read(cls, settings: Settings) -> "Evidence":
        """Read the whole record, without migrating it."""
        url = make_url(settings.database_url)
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url)
        try:
            with engine.connect() as connection:

                def rows(table: Table, *order: str) -> Sequence[Row]:
                    return connection.execute(select(table).order_by(*(table.c[name] for name in order))).all()

                its_jobs = rows(jobs, "number")
                return cls(
                    jobs=its_jobs,
                    events=_by_job(rows(events, "number")),
                    epochs={job.id: _history(connection, job.id) for job in its_jobs},
                    attempts=_by_job(rows(attempts, "job_id", "attempt")),
                    versions=_by_job(rows(versions, "model", "version")),
                    artifacts=rows(artifacts, "owner", "name"),
                    folder=settings.artifacts,
                )
        finally:
            engine.dispose()


def _history(connection: Connection, job_id: str) -> Sequence[Row]:
    return sorted(connection.execute(select(history_of(job_id))), key=lambda row: int(row.epoch))


Rule = Callable[[Evidence], Iterator[str]]


def ended(evidence: Evidence) -> Iterator[str]:
    """Every job is in a final state."""
    for job in evidence.jobs:
        if job.state not in FINAL_STATES or job.finished_at is None:
            yield f"job {job.id} is {job.state}, attempt {job.attempt}, after epoch {job.last_epoch}"


def one_end(evidence: Evidence) -> Iterator[str]:
    """Every job has exactly one event that says how it ended, and it says what the job's row says."""
    for job in evidence.jobs:
        ends = [event.data["state"] for event in evidence.events.get(job.id, []) if _is_end(event)]
        if ends != [job.state]:
            yield f"job {job.id} is {job.state}; its events say that it ended as {ends}"


def nothing_after_the_end(evidence: Evidence) -> Iterator[str]:
    """Nothing is recorded of a job that has ended, but for pictures, and checkpoints that become versions."""
    for job in evidence.jobs:
        told = [event for event in evidence.events.get(job.id, []) if not event.type.startswith(_OF_VERSIONS)]
        for event in told[next((number for number, event in enumerate(told, 1) if _is_end(event)), len(told)) :]:
            yield f"job {job.id}: event {event.number} ({event.type}) comes after its end"
        for row in evidence.epochs.get(job.id, []):
            if job.finished_at is not None and row.recorded_at > job.finished_at:
                late = row.recorded_at - job.finished_at
                yield f"job {job.id}: epoch {row.epoch} was recorded {late} ms after its end"
    ends = {owners.of_job(job.id): job.finished_at for job in evidence.jobs if job.finished_at is not None}
    for file in evidence.artifacts:
        if file.name.startswith(_OF_TRAINING) and file.created_at > ends.get(file.owner, file.created_at):
            yield f"{file.owner}: {file.name} was recorded {file.created_at - ends[file.owner]} ms after the job's end"


def epochs_without_gaps(evidence: Evidence) -> Iterator[str]:
    """The epochs of a job are 1, 2, 3, each once, as many as the row says, and recorded in that order."""
    for job in evidence.jobs:
        rows = evidence.epochs.get(job.id, [])
        if [row.epoch for row in rows] != list(range(1, job.last_epoch + 1)):
            yield f"job {job.id} is after epoch {job.last_epoch}, and has the epochs {[row.epoch for row in rows]}"
        if job.state == "succeeded" and (job.result is None or job.result["epochs"] != len(rows)):
            yield f"job {job.id} succeeded with {len(rows)} epochs on record, and its result is {job.result}"
        for one, next_one in pairwise(rows):
            if one.recorded_at > next_one.recorded_at:
                yield f"job {job.id}: epoch {next_one.epoch} was recorded before epoch {one.epoch}"
            if one.iterations >= next_one.iterations:
                yield f"job {job.id}: epoch {next_one.epoch} ends at no later batch than epoch {one.epoch}"
            if not one.complete:
                yield f"job {job.id}: epoch {one.epoch} is not complete, and others come after it"


def equal_weights(evidence: Evidence) -> Iterator[str]:
    """Jobs of equal spec that succeeded end with equal weights: those of the one that nobody disturbed."""
    known = {job.spec_sha256: job.weights_sha256 for job in evidence.jobs if _is_reference(job)}
    for job in evidence.jobs:
        if (
            job.state != "succeeded"
            or job.origin is not None
            or job.result["stopped_early"] in {"max_seconds", "halving"}
        ):
            continue
        wanted = known.setdefault(job.spec_sha256, job.weights_sha256)
        if job.weights_sha256 is None or job.weights_sha256 != wanted:
            yield f"job {job.id}, attempt {job.attempt}, ended with the weights {job.weights_sha256}, not {wanted}"
        if not job.bit_identical:
            yield f"job {job.id} is said not to be identical to the bit, though one machine trained all of it"


def files_are_whole(evidence: Evidence) -> Iterator[str]:
    """Every file that is pointed to is there, with its length and its SHA-256; what a job reports is among them."""
    for key, pointers in groupby(sorted(evidence.artifacts, key=lambda file: file.key), key=lambda file: file.key):
        path, data = evidence.folder / key, None
        if path.exists():
            data = path.read_bytes()
        for file in pointers:
            if data is None:
                yield f"{file.owner}: {file.name} points to {key}, which is not there"
            elif len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
                yield f"{file.owner}: {file.name} points to {key}, which is not what was written"
    held = {(file.owner, file.name): file.sha256 for file in evidence.artifacts}
    for job in evidence.jobs:
        if job.state == "succeeded" and held.get((owners.of_job(job.id), "last.safetensors")) != job.weights_sha256:
            yield f"job {job.id}: its last.safetensors are not the weights that it reports"
        if job.result is not None:
            best, reported = held.get((owners.of_job(job.id), "best.safetensors")), job.result["best_weights_sha256"]
            # One that was stopped soon after its best checkpoint had been found damaged may have none.
            if best != reported and (job.state == "succeeded" or best is not None):
                yield f"job {job.id}: its best.safetensors is {best}, and it reports {reported}"


def no_temporary_files(evidence: Evidence) -> Iterator[str]:
    """No file is left that was being written."""
    for path in _files(evidence):
        if path.name.startswith("."):
            yield f"{path.relative_to(evidence.folder)}, {path.stat().st_size} bytes, is left over"


def attempts_take_turns(evidence: Evidence) -> Iterator[str]:
    """No two attempts of a job overlap, neither in their times nor in what they recorded."""
    for job in evidence.jobs:
        rows = evidence.attempts.get(job.id, [])
        if [row.attempt for row in rows] != list(range(1, job.attempt + 1)):
            yield f"job {job.id} had {job.attempt} attempts; on record are {[row.attempt for row in rows]}"
        for row in rows:
            if row.ended_at is None or row.outcome is None:
                yield f"job {job.id}: attempt {row.attempt} has no end"
        for one, next_one in pairwise(rows):
            if one.ended_at is not None and one.ended_at > next_one.started_at:
                yield f"job {job.id}: attempt {next_one.attempt} began before attempt {one.attempt} had ended"
        by = [row.attempt for row in evidence.epochs.get(job.id, [])]
        if by != sorted(by):
            yield f"job {job.id}: the attempts that recorded its epochs are {by}"
        # Attempt 0 is another job's: what this one goes on from.
        yield from _turns(job.id, evidence.events.get(job.id, []), given=by.count(0))


def _turns(job_id: str, told: Sequence[Row], *, given: int) -> Iterator[str]:
    """Follow the events: epochs come while the job runs, one after the other, and again only after a new attempt."""
    state, attempt, last, begun = "queued", 0, given, False
    for event in told:
        if event.type == "state":
            state = event.data["state"]
            if state == "running":
                if event.data["attempt"] != attempt + 1:
                    yield f"job {job_id}: attempt {event.data['attempt']} follows attempt {attempt}"
                attempt, begun = event.data["attempt"], False
        elif event.type == "epoch":
            epoch = event.data["epoch"]
            if state != "running":
                yield f"job {job_id}: epoch {epoch} was recorded while the job was {state}"
            if epoch > last + 1 or (begun and epoch != last + 1):
                yield f"job {job_id}: attempt {attempt} recorded epoch {epoch} after epoch {last}"
            last, begun = epoch, True


def cancelled_or_succeeded(evidence: Evidence) -> Iterator[str]:
    """A job that was asked to stop has not succeeded; one that succeeded is a version, once, and no other is."""
    for job in evidence.jobs:
        if job.state == "succeeded" and (job.cancel_requested or job.cancellation is not None):
            yield f"job {job.id} succeeded though it was asked to stop: {job.cancellation}"
        if job.state == "cancelled" and (job.cancellation is None or job.error is not None):
            yield f"job {job.id} was cancelled; its receipt is {job.cancellation}, its error {job.error}"
        count = len(evidence.versions.get(job.id, []))
        if count != (job.state == "succeeded"):
            yield f"job {job.id} is {job.state}, and {count} times a version"


RULES: tuple[Rule, ...] = (
    ended,
    one_end,
    nothing_after_the_end,
    epochs_without_gaps,
    equal_weights,
    files_are_whole,
    no_temporary_files,
    attempts_take_turns,
    cancelled_or_succeeded,
)


def violations(evidence: Evidence) -> list[Violation]:
    """Give all that must not be."""
    return [Violation(rule.__name__, what) for rule in RULES for what in rule(evidence)]


def unreferenced(evidence: Evidence) -> tuple[int, int]:
    """Count the files that nothing points to, and their bytes: a process that was killed had just written them."""
    keys = {file.key for file in evidence.artifacts}
    lost = [path for path in _files(evidence) if str(path.relative_to(evidence.folder)) not in keys]
    return len(lost), sum(path.stat().st_size for path in lost)


def told(found: Sequence[Violation]) -> str:
    """Give violations as lines, with their count by rule above them."""
    counts = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rule for each in found).items())
    return "\n".join(
        [f"violations: {len(found)}" + (f" ({counts})" if found else "")]
        + [f"  {each.rule}: {each.what}" for each in found]
    )


def _is_end(event: Row) -> bool:
    return bool(event.type == "state" and event.data["state"] in FINAL_STATES)


def _is_reference(job: Row) -> bool:
    return bool(REFERENCE.items() <= job.labels.items() and job.state == "succeeded")


def _by_job(rows: Sequence[Row]) -> dict[str, list[Row]]:
    sorted_rows: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        sorted_rows[row.job_id].append(row)
    return sorted_rows


def _files(evidence: Evidence) -> list[Path]:
    return sorted(path for path in evidence.folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="the service's TENFOLD_HOME")
    parser.add_argument("--database-url", help="the service's TENFOLD_DATABASE_URL; default a SQLite file in its home")
    asked = parser.parse_args()
    given = {} if asked.database_url is None else {"database_url": asked.database_url}
    evidence = Evidence.read(Settings(home=asked.home, **given))
    found = violations(evidence)
    count, size = unreferenced(evidence)
    epochs = sum(map(len, evidence.epochs.values()))
    print(f"{len(evidence.jobs)} jobs, {epochs} epochs, {len(evidence.artifacts)} files")
    print(f"files that nothing points to: {count}, {size:,} bytes\n{told(found)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
