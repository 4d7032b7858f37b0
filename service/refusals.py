"""Every error as a problem: what is meant for the client is said, and of all else only that it is not their fault."""

from service.disk.faults import is_full, is_too_many, is_unusable, told
from service.errors import (
    Conflict,
    Fault,
    Invalid,
    Locked,
    NoRoom,
    NotFound,
    NotYet,
    PreconditionFailed,
    Problem,
    TooMuch,
    exceeded,
)
from service.store.account_errors import NoSuchAccount, QuotaExceeded
from service.store.engine import DatabaseError, trouble
from service.store.errors import (
    BaseInUse,
    BaseNotThere,
    DataNotReady,
    DatasetInUse,
    FileNotKept,
    HistoryChanged,
    KeyReused,
    LengthSaid,
    ModelInUse,
    NoCheckpoint,
    NoSuchData,
    NoSuchUpload,
    NoSuchVersion,
    NothingBefore,
    NothingLearned,
    NothingThere,
    OtherOffset,
    PartOfSweep,
    ReadingEnded,
    StateConflict,
    SweepConflict,
    TooManyUploads,
    TooManyWebhooks,
    UploadTaken,
    UploadUnfinished,
    VersionInUse,
    WebhookDisabled,
    WrongRevision,
)


def as_problem(error: Exception) -> Problem:
    """Give the problem to answer an error with; its status is 500 for what nobody foresaw, which belongs in the log."""
    match error:
        case Problem():
            return error
        case DatabaseError():
            return _of_database(error)
        case OSError() if is_full(error):
            return NoRoom(f"the disk of the files is full; nothing was kept. {_MAKE_ROOM}")
        case OSError() if is_unusable(error):
            return NotYet(f"the files cannot be used ({told(error)}); the log of the API says where", retry_after=30)
        case OSError() if is_too_many(error):
            return NotYet("as many files are open as this process may have; come again", retry_after=1)
        case StateConflict() | SweepConflict() | PartOfSweep() | DatasetInUse() | VersionInUse():
            return Conflict(_why_not(error))
        case NothingLearned(job_id, state):
            return Conflict(
                f"job {job_id} is {state} and has learned nothing yet that it could succeed with; let it run for a "
                f"batch first, or cancel it with POST /jobs/{job_id}/cancel"
            )
        case ModelInUse(model, aliases):
            return Conflict(
                f"model {model} answers by its aliases ({', '.join(aliases)}); delete them first, or it with them: "
                f"DELETE /models/{model}?force=true"
            )
        case NoSuchData(name):
            detail = no_such_data(name)
            return Invalid(detail, faults=[Fault("/dataset", detail)])
        case DataNotReady(name, version, "reading"):
            why = f"version {version} of the data set {name!r} is being read; send this again once it is ready"
            return Conflict(f"{why}: GET /datasets/{name}/versions/{version} waits for that", retry_after=2)
        case DataNotReady(name, version, state, why):
            what = f"version {version} of the data set {name!r} {_ENDED[state]}"
            return Conflict(f"{what}: {why}" if why else what)
        case ReadingEnded(name, version, state):
            why = f"version {version} of the data set {name!r} {_ENDED[state]}; there is nothing to cancel"
            return Conflict(why)
        case FileNotKept(name, version):
            return Conflict(
                f"version {version} of the data set {name!r} cannot be read anew: its file is not kept; send it with "
                f"POST /datasets?name={name}"
            )
        case NoSuchUpload() | OtherOffset() | LengthSaid() | UploadTaken() | UploadUnfinished() | TooManyUploads():
            return _of_upload(error)
        case BaseInUse(name, version, by):
            what = f"version {by} of the data set {name!r} is being read, which is appended to version {version}"
            return Conflict(f"{what}; wait for it, or cancel it first", retry_after=2)
        case BaseNotThere(name, version, base, is_ready):
            why = f"it was appended to version {base}, which is not there any more"
            how = f"append that: POST /datasets?name={name}&append=true"
            if is_ready:  # its examples would be there twice
                how = "send that as a data set of another name, or all examples in one file: POST /datasets"
            return Conflict(
                f"version {version} of the data set {name!r} cannot be read anew: {why}; download its file "
                f"(GET /datasets/{name}/versions/{version}/file), and {how}"
            )
        case TooManyWebhooks(most):
            return Conflict(f"there are {most} webhooks, as many as may be; delete one, or let one be told more")
        case WebhookDisabled(name, why):
            return Conflict(disabled_webhook(name, why))
        case NothingBefore(model, alias):
            return Conflict(f"the alias {alias} of model {model} has nothing to go back to")
        case NoCheckpoint(job_id):
            return Conflict(f"job {job_id} has not finished an epoch yet, so there is nothing to predict with")
        case QuotaExceeded(quota, most, has, more, seconds):
            what = f"the account's quota {quota} is {most:,}; it has {has:,}, and this takes {more:,} more"
            if quota == "stored_bytes":
                return NoRoom(f"{what}: delete what is not needed, or have an admin raise it", members=exceeded(quota))
            wait = f"{_WAITS[quota]}, or" if more <= most else "it never fits:"
            return TooMuch(f"{what}: {wait} have an admin raise it", retry_after=seconds, members=exceeded(quota))
        case NoSuchAccount(name):
            return NotFound(f"there is no account {name!r}; GET /accounts lists them")
        case NothingThere():
            return NotFound(str(error))
        case WrongRevision(model, alias, revision):
            now = "it is not there" if revision is None else f'its ETag is now "{revision}"'
            return PreconditionFailed(
                f"the alias {alias} of model {model} is not as the request expects: {now}; look at it, and decide anew"
            )
        case NoSuchVersion(model, version):
            return Invalid(f"model {model} has no version {version}")
        case HistoryChanged():
            return NotYet(f"{error}; ask again", retry_after=1)
        case KeyReused():
            return Invalid(
                "something else was asked for under this Idempotency-Key; take a new key for a new request",
                faults=[Fault("#header/Idempotency-Key", "something else was asked for under this key")],
            )
    # MemberGone, ChampionChanged and LeaseLost among them: who asks over HTTP never meets what is told to workers.
    return Problem("something went wrong here; the log of the API says what")


def _of_upload(
    error: NoSuchUpload | OtherOffset | LengthSaid | UploadTaken | UploadUnfinished | TooManyUploads,
) -> Problem:
    match error:
        case NoSuchUpload(upload_id):
            return NotFound(
                f"there is no upload {upload_id}, or not any more: they stay for TENFOLD_UPLOAD_HOURS after their last "
                "byte came; begin another with POST /uploads"
            )
        case OtherOffset(upload_id, asked, offset):
            why = f"upload {upload_id} is at byte {offset}, and not at {asked}"
            return Conflict(f"{why}: ask for its offset with HEAD /uploads/{upload_id}, and go on from there")
        case LengthSaid(upload_id, offset, None):
            return Conflict(f"upload {upload_id} has {offset} bytes by now; say with Upload-Length how many there are")
        case LengthSaid(upload_id, _, length):
            return Conflict(f"upload {upload_id} has {length} bytes, as was said before; leave Upload-Length out")
        case UploadTaken(upload_id):
            return Locked(
                f"another request writes upload {upload_id}; ask for its offset with HEAD /uploads/{upload_id} in a "
                "moment, and go on from there",
                retry_after=1,
            )
        case UploadUnfinished(upload_id, offset, length):
            of_all = "bytes of a length that has not been said" if length is None else f"of its {length} bytes"
            return Conflict(f"upload {upload_id} has {offset} {of_all}; send the rest with PATCH /uploads/{upload_id}")
        case TooManyUploads(most):
            return TooMuch(
                f"{most} uploads are open, as many as may be (TENFOLD_OPEN_UPLOADS): use them with POST /datasets, or "
                "end them with DELETE /uploads/{id}; GET /uploads lists them",
                retry_after=60,
            )


_WAITS = {"queued": "wait until jobs have begun, or cancel some", "bytes_a_day": "come again after Retry-After seconds"}
_ENDED = {"ready": "is ready", "failed": "could not be read", "cancelled": "was not read, because that was cancelled"}


def disabled_webhook(name: str, why: str) -> str:
    """Say that nothing is told to a webhook, why, and what to do."""
    return f"webhook {name} is disabled, because {why}; PUT /webhooks/{name} lets it be told again"


def no_such_data(name: str) -> str:
    """Say that there is no such data set, or no such version of it."""
    owner, colon, rest = name.rpartition(":")
    if colon:
        its = rest.partition("/")[0]
        what = f"the account {owner} shares no data set called {its!r} with this one"
        return f"{what}, or not this version; GET /datasets/{owner}:{its}/versions lists what it shares"
    its, slash, _ = name.partition("/")
    if slash:
        return f"there is no version {name!r} of a data set; GET /datasets/{its}/versions lists those that are"
    return f"there is no data set called {name!r}; GET /datasets lists them"


_MAKE_ROOM = "Make room on it: `tenfold gc` deletes old jobs, DELETE what else is not needed"


def _of_database(error: DatabaseError) -> Problem:
    match trouble(error):
        case "full":
            return NoRoom(f"the disk of the database is full; nothing was changed. {_MAKE_ROOM}")
        case "unusable":
            why = "the database cannot be used; nothing was changed, and the log of the API says why"
            return NotYet(why, retry_after=30)
        case "damaged":
            why = "the database is damaged; the log of the API says how, and a backup brings it back"
            return NotYet(why, retry_after=60)
    return NotYet("the database does not answer or is busy; nothing was changed", retry_after=5)


def _why_not(conflict: StateConflict | SweepConflict | PartOfSweep | DatasetInUse | VersionInUse) -> str:
    """Say what stands in the way, and what to do about it."""
    match conflict:
        case StateConflict(job_id, state, "cancel"):
            return f"job {job_id} has already {state}; there is nothing to cancel"
        case StateConflict(job_id, state, "pause"):
            why = {"cancelled": "it is cancelled, or about to be", "succeeded": "it has succeeded, or is about to"}.get(
                state, f"it has {state}"
            )
            return f"job {job_id} cannot be paused: {why}"
        case StateConflict(job_id, state, "resume"):
            return (
                f"job {job_id} has {state}; POST /jobs/{job_id}/continue trains it for more epochs, "
                f"/jobs/{job_id}/retry anew"
            )
        case StateConflict(job_id, state, "finish"):
            why = "is cancelled, or about to be" if state == "cancelled" else f"has {state}"
            return (
                f"job {job_id} {why}, and cannot succeed any more; POST /models/{{name}}/versions makes a version of "
                "one of its checkpoints"
            )
        case StateConflict(job_id, state, "continue"):
            return f"job {job_id} is {state} by now; wait for its end"
        case StateConflict(job_id):
            return f"job {job_id} is running; cancel it with POST /jobs/{job_id}/cancel first"
        case SweepConflict(sweep_id, "cancel"):
            return f"sweep {sweep_id} has already ended; there is nothing to cancel"
        case SweepConflict(sweep_id):
            return f"sweep {sweep_id} is running; cancel it with POST /sweeps/{sweep_id}/cancel first"
        case PartOfSweep(job_id, sweep_id):
            return f"job {job_id} belongs to a sweep; delete that with DELETE /sweeps/{sweep_id}"
        case DatasetInUse(name, job_id):
            return f"job {job_id}, which has not ended, needs {name!r}; cancel it first, or wait"
        case VersionInUse(model, version, alias):
            return (
                f"the alias {alias} points to version {version} of model {model}; move it with "
                f"PUT /models/{model}/aliases/{alias}, or delete it, first"
            )
