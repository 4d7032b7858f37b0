"""Uploads that go on after a cut: how many bytes of each are safe, who may write on, and until when it stays.

`received` is the truth: so many bytes were on the disk before it was written down. Each request that writes has a turn;
whoever begins after it takes the upload over, and what the one before then wants to write down matches no row.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from service.store import owners
from service.store.data_tables import uploads
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import (
    LengthSaid,
    NoSuchUpload,
    OtherOffset,
    TooManyUploads,
    UploadTaken,
    UploadUnfinished,
)
from service.store.files import USED, File, batched, publish, withdraw_all
from service.store.quotas import require_bytes
from service.store.tables import artifacts

_FILE = "file"  # as a version calls the file that was sent
_STAYS = uploads.c.expires_at >= now_ms()


@dataclass(frozen=True)
class Turn:
    """The right to write on, until another takes it: which upload, where its file lies, and from where on."""

    upload_id: str
    key: str
    number: int
    offset: int
    length: int | None


@dataclass(frozen=True)
class Uploads:
    """The uploads of a database: at most `most` that are not used, each for `hours` after its last byte came."""

    database: Database
    most: int
    hours: float

    def begin(self, length: int | None, name: str | None, described: str) -> Row:
        """Begin an upload; gives it. Raises TooManyUploads."""
        upload_id = str(uuid.uuid4())
        key = owners.of_upload(upload_id)
        with self.database.writer.begin() as connection:
            if connection.execute(select(func.count()).select_from(uploads).where(~USED)).scalar_one() >= self.most:
                raise TooManyUploads(self.most)
            if length is not None:
                require_bytes(connection, length)
            values = {"id": upload_id, "length": length, "name": name, "described": described, "key": key}
            times = {"created_at": now_ms(), "expires_at": self._end()}
            connection.execute(insert(uploads).values(received=0, turn=0, **values, **times))
            return connection.execute(_of(upload_id)).one()

    def get(self, upload_id: str) -> Row:
        """Look an upload up; raises NoSuchUpload."""
        with self.database.reader.connect() as connection:
            row = connection.execute(_of(upload_id)).one_or_none()
        if row is None:
            raise NoSuchUpload(upload_id)
        return row

    def find(self, *, after: int | None = None, limit: int) -> Sequence[Row]:
        """List uploads, the newest first; only those with a lower number than `after`, if given."""
        query = select(uploads).where(_STAYS).order_by(uploads.c.number.desc()).limit(limit)
        if after is not None:
            query = query.where(uploads.c.number < after)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def weight(self) -> tuple[int, int]:
        """Give how many uploads are open, and how many bytes of them are on the disk."""
        query = select(func.count(), func.coalesce(func.sum(uploads.c.received), 0)).where(~USED)
        with self.database.reader.connect() as connection:
            count, size = connection.execute(query).one()
        return int(count), int(size)

    def keys(self) -> set[str]:
        """Give where the files of all uploads lie, also of those of which nothing has come."""
        with self.database.reader.connect() as connection:
            return set(connection.scalars(select(uploads.c.key)))

    def take(self, upload_id: str, offset: int, length: int | None = None) -> Turn:
        """Take an upload over from whoever writes it, to go on from `offset`; its length may be said now.

        Raises NoSuchUpload, OtherOffset and LengthSaid; then whoever writes it goes on.
        """
        with self.database.writer.begin() as connection:
            row = locked(connection, _of(upload_id)).one_or_none()
            if row is None:
                raise NoSuchUpload(upload_id)
            if row.received != offset:
                raise OtherOffset(upload_id, offset, row.received)
            if length is not None and (row.length not in {None, length} or length < offset):
                raise LengthSaid(upload_id, offset, row.length)
            said = row.length if length is None else length
            if row.length is None and length is not None:
                require_bytes(connection, length)
            values = {"turn": row.turn + 1, "length": said, "expires_at": self._end()}
            connection.execute(update(uploads).where(uploads.c.id == upload_id).values(**values))
            return Turn(upload_id, row.key, row.turn + 1, offset, said)

    def require(self, turn: Turn) -> None:
        """See that nobody has taken an upload over; raises UploadTaken and NoSuchUpload."""
        with self.database.reader.connect() as connection:
            now = connection.scalar(select(uploads.c.turn).where(uploads.c.id == turn.upload_id))
        _check(turn, now)

    def record(self, turn: Turn, received: int) -> Row:
        """Write down how many bytes are on the disk; gives the upload. Raises UploadTaken and NoSuchUpload."""
        mine = (uploads.c.id == turn.upload_id) & (uploads.c.turn == turn.number)
        values = {"received": received, "expires_at": self._end()}
        with self.database.writer.begin() as connection:
            row = connection.execute(update(uploads).where(mine).values(**values).returning(uploads)).one_or_none()
            if row is None:
                _check(turn, connection.scalar(select(uploads.c.turn).where(uploads.c.id == turn.upload_id)))
                raise UploadTaken(turn.upload_id)
        return row

    def finish(self, upload_id: str, sha256: str, size: int) -> File:
        """Point to the file of an upload that is whole, as to any file; gives it. Raises NoSuchUpload."""
        with self.database.writer.begin() as connection:
            row = hold(connection, upload_id)
            file = File(name=_FILE, key=row.key, sha256=sha256, size=size, epoch=0)
            publish(connection, owners.of_upload(upload_id), [file])
            return file

    def finished(self, upload_id: str) -> tuple[Row, File | None]:
        """Look up an upload that is whole, and its file if its digest is known.

        Raises NoSuchUpload, and UploadUnfinished while bytes are missing.
        """
        row = self.get(upload_id)
        if row.length is None or row.received < row.length:
            raise UploadUnfinished(upload_id, row.received, row.length)
        query = select(artifacts).where(artifacts.c.owner == owners.of_upload(upload_id))
        with self.database.reader.connect() as connection:
            found = connection.execute(query).one_or_none()
        if found is None or found.key != row.key:
            return row, None
        return row, File(name=_FILE, key=found.key, sha256=found.sha256, size=found.size, epoch=0)

    def give_up(self, upload_id: str, owner: str) -> list[str]:
        """Let an upload point to the equal file of an owner, as it is there twice; gives keys that nothing points to.

        Nothing is given, and nothing changed, where either is gone by now, or the owner's file is another.
        """
        with self.database.writer.begin() as connection:
            row = locked(connection, _of(upload_id)).one_or_none()
            pointers = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name == _FILE)
            other = locked(connection, pointers, shared=True).one_or_none()
            mine = connection.scalar(select(artifacts.c.sha256).where(artifacts.c.owner == owners.of_upload(upload_id)))
            # The owner may have been named for having these bytes from a version that is deleted: its file is another.
            if row is None or other is None or other.key == row.key or other.sha256 != mine:
                return []
            gone = withdraw_all(connection, [owners.of_upload(upload_id)])
            file = File(name=_FILE, key=other.key, sha256=other.sha256, size=other.size, epoch=0)
            publish(connection, owners.of_upload(upload_id), [file])
            connection.execute(update(uploads).where(uploads.c.id == upload_id).values(key=other.key))
            return gone

    def end(self, upload_id: str) -> list[str]:
        """End an upload; gives the keys of files that nothing points to any more. Raises NoSuchUpload."""
        with self.database.writer.begin() as connection:
            gone = _removed(connection, (uploads.c.id == upload_id) & _STAYS)
        if gone is None:
            raise NoSuchUpload(upload_id)
        return gone

    def expire(self) -> list[str]:
        """End uploads that are too old; gives the keys of files that nothing points to any more."""
        with self.database.reader.connect() as connection:
            if connection.scalar(select(uploads.c.id).where(~_STAYS).limit(1)) is None:
                return []
        with self.database.writer.begin() as connection:
            return _removed(connection, ~_STAYS) or []

    def _end(self) -> ColumnElement[int]:
        return now_ms() + int(self.hours * 3_600_000)


def hold(connection: Connection, upload_id: str) -> Row:
    """Keep an upload, and so its file, from being ended until the transaction ends; raises NoSuchUpload."""
    row = locked(connection, _of(upload_id), shared=True).one_or_none()
    if row is None:
        raise NoSuchUpload(upload_id)
    return row


def _of(upload_id: str) -> Select[Any]:
    return select(uploads).where(uploads.c.id == upload_id, _STAYS)


def _check(turn: Turn, now: int | None) -> None:
    if now is None:
        raise NoSuchUpload(turn.upload_id)
    if now != turn.number:
        raise UploadTaken(turn.upload_id)


def _removed(connection: Connection, which: ColumnElement[bool]) -> list[str] | None:
    """Remove uploads; gives the keys of files that nothing points to any more, or None if there were none."""
    rows = connection.execute(delete(uploads).where(which).returning(uploads.c.id, uploads.c.key)).all()
    if not rows:
        return None
    withdraw_all(connection, [owners.of_upload(row.id) for row in rows])
    keys = sorted({row.key for row in rows})  # of one that is not whole, its own row alone said where it lies
    pointed_to: set[str] = set()
    for some in batched(keys):
        pointed_to |= set(connection.scalars(select(artifacts.c.key).where(artifacts.c.key.in_(some))))
    return [key for key in keys if key not in pointed_to]
