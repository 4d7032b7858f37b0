"""What the record refuses, each with the facts that whoever asked is told; `service/refusals.py` says them over HTTP.

StoreError
+-- StateConflict     the state of a job does not allow what was asked for
+-- NothingLearned    a job that waits cannot be finished before its first epoch
+-- SweepConflict     the state of a sweep does not allow what was asked for
+-- PartOfSweep       the job belongs to a sweep, and goes with it
+-- DatasetInUse      a job that has not ended needs the data set, or a version of it
+-- BaseInUse         what is appended to a version of a data set is being read
+-- BaseNotThere      a version cannot be read anew: the one to which it was appended is not there
+-- NoSuchData        there is no such data set, or no such version of it
+-- DataNotReady      a version that is to be trained on is being read, or could not be
+-- ReadingEnded      a version that is ready, or has failed, is not cancelled
+-- FileNotKept       a version cannot be read anew: the file as it was sent is not there
+-- NoSuchUpload      there is no upload of this id, or not any more
+-- OtherOffset       an upload is at another byte than the request goes on from
+-- LengthSaid        an upload cannot be as long as is said: another length was before, or more has come
+-- UploadTaken       another request writes the upload, or has begun to after this one
+-- UploadUnfinished  bytes are missing of an upload that is to be used
+-- TooManyUploads    as many uploads are open as may be
+-- TooManyWebhooks   an account has as many webhooks as it may
+-- WebhookDisabled   nothing is sent to a webhook, because its receiver did not want it or was not there
+-- VersionInUse      an alias points to the version
+-- ModelInUse        an alias of the model that is to be deleted is there
+-- KeyReused         something else was asked for under the key
+-- Repeated          what is asked for under the key was done before; it is answered as then
+-- WrongRevision     the alias was moved since the client looked
+-- NoSuchVersion     an alias cannot point to a version that is not there
+-- NothingBefore     an alias has nothing to go back to
+-- NothingThere      nothing answers to a reference
+-- NoCheckpoint      the job that a reference means has nothing to predict with yet
+-- HistoryChanged    a history was deleted, or taken back, while it was read
+-- MemberGone        a version that was to be a member is not there any more; told to workers
+-- ChampionChanged   a version was compared with another champion than there is by now; told to workers
+-- LeaseLost         the job belongs to another attempt by now, or has ended; told to workers

Those of accounts are in `account_errors.py`. That the database itself does not answer is a `DatabaseError`.
"""

from dataclasses import dataclass
from typing import Any, Literal


class StoreError(Exception):
    """What the record does not allow, or does not have."""


@dataclass(eq=False)
class StateConflict(StoreError):
    """The state of a job does not allow what was asked for."""

    job_id: str
    state: str
    action: Literal["cancel", "pause", "resume", "finish", "continue", "delete"]


@dataclass(eq=False)
class NothingLearned(StoreError):
    """A job that waits for a worker, or is paused, has no epoch on record with which it could succeed."""

    job_id: str
    state: str


@dataclass(eq=False)
class SweepConflict(StoreError):
    """A sweep that has ended is not cancelled, and one that has not is not deleted."""

    sweep_id: str
    action: Literal["cancel", "delete"]


@dataclass(eq=False)
class PartOfSweep(StoreError):
    """The job belongs to a sweep, whose figures are those of all its jobs."""

    job_id: str
    sweep_id: str


@dataclass(eq=False)
class DatasetInUse(StoreError):
    """A job that has not ended needs the data set, or the version of it, that is called so."""

    name: str
    job_id: str


@dataclass(eq=False)
class BaseInUse(StoreError):
    """What is appended to a version of a data set is being read, and becomes the version `by`."""

    name: str
    version: int
    by: int


@dataclass(eq=False)
class BaseNotThere(StoreError):
    """A version cannot be read anew: `base`, to which it was appended, is not there any more.

    `is_ready` tells whether it was read once: then what is appended next has its examples already.
    """

    name: str
    version: int
    base: int
    is_ready: bool = False


@dataclass(eq=False)
class NoSuchData(StoreError):
    """There is no data set, or no version of one, that is called so."""

    name: str


@dataclass(eq=False)
class DataNotReady(StoreError):
    """The version that is to be trained on is not ready; `why` says what is wrong with it, if that is known."""

    name: str
    version: int
    state: str
    why: str = ""


@dataclass(eq=False)
class ReadingEnded(StoreError):
    """A version that is ready, or has failed, is not cancelled."""

    name: str
    version: int
    state: str


@dataclass(eq=False)
class FileNotKept(StoreError):
    """A version cannot be read anew: the file as it was sent is not there."""

    name: str
    version: int


@dataclass(eq=False)
class NoSuchUpload(StoreError):
    """There is no upload of this id, or not any more."""

    upload_id: str


@dataclass(eq=False)
class OtherOffset(StoreError):
    """A request goes on from `asked`, and the upload is at `offset`."""

    upload_id: str
    asked: int
    offset: int


@dataclass(eq=False)
class LengthSaid(StoreError):
    """An upload cannot be of the length that is said: another was said before, or more than that has come."""

    upload_id: str
    offset: int
    length: int | None


@dataclass(eq=False)
class UploadTaken(StoreError):
    """Another request writes the upload and does not let go of it, or has begun to after this one."""

    upload_id: str


@dataclass(eq=False)
class UploadUnfinished(StoreError):
    """Bytes are missing of an upload that is to be used; `length` is None while its sender has not said it."""

    upload_id: str
    offset: int
    length: int | None


@dataclass(eq=False)
class TooManyUploads(StoreError):
    """As many uploads are open as may be."""

    most: int


@dataclass(eq=False)
class TooManyWebhooks(StoreError):
    """An account has as many webhooks as it may have."""

    most: int


@dataclass(eq=False)
class WebhookDisabled(StoreError):
    """Nothing is sent to a webhook until somebody enables it again; `why` says what disabled it."""

    name: str
    why: str


@dataclass(eq=False)
class VersionInUse(StoreError):
    """An alias points to the version."""

    model: str
    version: int
    alias: str


@dataclass(eq=False)
class ModelInUse(StoreError):
    """The model that is to be deleted has aliases, by which it answers."""

    model: str
    aliases: tuple[str, ...]


class KeyReused(StoreError):
    """Something else was asked for before under this key."""


@dataclass(eq=False)
class Repeated(StoreError):
    """The same was done before under this key: nothing is done again, and this was the answer."""

    answer: dict[str, Any]


@dataclass(eq=False)
class WrongRevision(StoreError):
    """The alias has been moved since the client looked, or is there already; `revision` is that of now, if any."""

    model: str
    alias: str
    revision: int | None


@dataclass(eq=False)
class NoSuchVersion(StoreError):
    """An alias cannot point to a version that is not there."""

    model: str
    version: int


@dataclass(eq=False)
class NothingBefore(StoreError):
    """An alias has nothing to go back to: it has not pointed to anything before that is still there."""

    model: str
    alias: str


class NothingThere(StoreError):
    """Nothing answers to a reference; the message says what there is not."""


@dataclass(eq=False)
class NoCheckpoint(StoreError):
    """The job is there, and has nothing to predict with yet."""

    job_id: str


class MemberGone(StoreError):
    """A version that was to be a member is not there any more; the message says what of it."""


@dataclass(eq=False)
class LeaseLost(StoreError):
    """The job, or the reading, belongs to another attempt by now, or has ended: stop, and write nothing."""

    job_id: str


@dataclass(eq=False)
class ChampionChanged(StoreError):
    """The champion is another than the one with which a new version was compared: compare again."""

    model: str


class HistoryChanged(StoreError):
    """The history of a job was deleted, or taken back, while it was being read."""
