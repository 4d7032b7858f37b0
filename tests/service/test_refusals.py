"""What the record refuses is told over HTTP, each refusal with a status of its own kind."""

import errno
import os

import pytest
from sqlalchemy.exc import DatabaseError

from service.refusals import as_problem
from service.store import account_errors, errors

TOLD = [
    (errors.StateConflict("id", "succeeded", "cancel"), 409),
    (errors.StateConflict("id", "failed", "pause"), 409),
    (errors.StateConflict("id", "failed", "resume"), 409),
    (errors.StateConflict("id", "running", "continue"), 409),
    (errors.StateConflict("id", "running", "delete"), 409),
    (errors.NothingLearned("id", "queued"), 409),
    (account_errors.NoSuchAccount("acme"), 404),
    (account_errors.QuotaExceeded("queued", 3, 3, 1), 429),
    (account_errors.QuotaExceeded("stored_bytes", 3, 3, 1), 507),
    (account_errors.QuotaExceeded("bytes_a_day", 3, 3, 1), 429),
    (errors.NothingLearned("id", "paused"), 409),
    (errors.ModelInUse("digits", ("champion",)), 409),
    (errors.SweepConflict("id", "cancel"), 409),
    (errors.SweepConflict("id", "delete"), 409),
    (errors.PartOfSweep("id", "sweep"), 409),
    (errors.DatasetInUse("letters", "id"), 409),
    (errors.NoSuchData("letters"), 422),
    (errors.NoSuchData("letters/3"), 422),
    (errors.DataNotReady("letters", 1, "reading"), 409),
    (errors.DataNotReady("letters", 1, "failed", "line 1: no"), 409),
    (errors.DataNotReady("letters", 1, "cancelled"), 409),
    (errors.ReadingEnded("letters", 1, "ready"), 409),
    (errors.FileNotKept("letters", 1), 409),
    (errors.NoSuchUpload("id"), 404),
    (errors.OtherOffset("id", 3, 4), 409),
    (errors.LengthSaid("id", 3, 4), 409),
    (errors.LengthSaid("id", 3, None), 409),
    (errors.UploadTaken("id"), 423),
    (errors.UploadUnfinished("id", 3, 4), 409),
    (errors.UploadUnfinished("id", 3, None), 409),
    (errors.TooManyUploads(100), 429),
    (errors.TooManyWebhooks(100), 409),
    (errors.WebhookDisabled("ci", "its receiver answered 410"), 409),
    (errors.BaseInUse("letters", 1, 2), 409),
    (errors.BaseNotThere("letters", 2, 1), 409),
    (errors.BaseNotThere("letters", 2, 1, is_ready=True), 409),
    (errors.VersionInUse("digits", 1, "champion"), 409),
    (errors.HistoryChanged("epoch 2 of job id is not what it was"), 503),
    (errors.KeyReused(), 422),
    (errors.WrongRevision("digits", "champion", None), 412),
    (errors.NoSuchVersion("digits", 1), 422),
    (errors.NothingBefore("digits", "champion"), 409),
    (errors.NothingThere("there is no model called digits"), 404),
    (errors.NoCheckpoint("id"), 409),
]
TOLD_TO_WORKERS = {errors.MemberGone, errors.LeaseLost, errors.ChampionChanged}
ANSWERED_AS_BEFORE = {errors.Repeated}


class DriverError(Exception):
    """What the driver of PostgreSQL raises, by its code alone."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize("code", ["XX001", "XX002"])
def test_data_of_postgresql_that_are_damaged_are_told_as_that(code: str) -> None:
    problem = as_problem(DatabaseError("SELECT secret", {}, DriverError(code)))
    assert (problem.status, "damaged" in problem.detail) == (503, True)


@pytest.mark.parametrize(("refusal", "status"), TOLD, ids=str)
def test_a_refusal_has_a_status_and_names_what_it_is_about(refusal: errors.StoreError, status: int) -> None:
    problem = as_problem(refusal)
    assert problem.status == status
    assert all(str(fact) in problem.detail for fact in refusal.args[:1])


def test_none_of_the_record_s_refusals_is_forgotten() -> None:
    told = {type(refusal) for refusal, _ in TOLD} | TOLD_TO_WORKERS | ANSWERED_AS_BEFORE
    assert told == set(errors.StoreError.__subclasses__())


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, 507),
        (errno.EDQUOT, 507),
        (errno.EROFS, 503),
        (errno.EACCES, 503),
        (errno.EIO, 503),
        (errno.EMFILE, 503),
        (errno.ENFILE, 503),
    ],
)
def test_a_disk_that_refuses_is_told_without_where_its_files_lie(number: int, status: int) -> None:
    problem = as_problem(OSError(number, os.strerror(number), "/home/ada/secret"))
    assert (problem.status, "secret" in problem.detail) == (status, False)


def test_of_what_nobody_foresaw_nothing_is_told() -> None:
    problem = as_problem(RuntimeError("a secret"))
    assert (problem.status, "secret" in problem.detail) == (500, False)
