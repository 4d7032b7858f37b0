"""What a spec means by its data: which version, and what follows from that for what the client did not say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from models.data.builtin import BUILTIN
from models.filing import called
from models.spec import TrainingSpec
from service.store.data_states import DataState, version_of
from service.store.data_tables import dataset_versions
from service.store.engine import Database, Row
from service.store.errors import DataNotReady, NoSuchData
from service.store.grants import right_of
from service.store.scoping import account_of

LONGEST_NAME = 128
"""Letters of the name of a data set, with that of its account if that is another's."""


@dataclass(frozen=True)
class Meant:
    """A data set as a spec names it once it is resolved: `letters/3`, or what is built in by its name.

    `row` is its version, which of what is built in is only there once somebody has looked at it.
    """

    reference: str
    row: Row | None

    @property
    def stratify(self) -> bool:
        """Whether each class is to have the same share in both parts, where nobody says otherwise."""
        return self.row is not None and self.row.source == "upload" and self.row.file_sha256 is not None


@dataclass(frozen=True)
class Resolution:
    """Resolves the specs of a database."""

    database: Database

    def owner(self, reference: str) -> tuple[str | None, str]:
        """Tell which other account has what is meant, if one does, and how it is called there.

        Raises NoSuchData where it is not shared with the one that asks, or not any more.
        """
        owner, _, rest = reference.rpartition(":")
        if not owner:
            return None, reference
        with self.database.reader.connect() as connection:
            account, name = account_of(connection), rest.partition("/")[0]
            if owner == account:
                return None, rest
            is_short = len(owner) + len(name) < LONGEST_NAME
            if not is_short or right_of(connection, owner, "dataset", name, account) is None:
                raise NoSuchData(reference)
        return owner, rest

    def of(self, reference: str) -> Meant:
        """Tell which version is meant: of `letters` the newest that is ready; of `acme:letters` what `acme` shares.

        Raises NoSuchData, and DataNotReady where there is one that may not be trained on, or not yet.
        """
        owner, reference = self.owner(reference)
        if owner is None:
            return self._own(reference)
        try:
            theirs = Resolution(self.database.acting(owner))._own(reference)
        except NoSuchData:
            raise NoSuchData(f"{owner}:{reference}") from None
        return replace(theirs, reference=f"{owner}:{theirs.reference}")

    def _own(self, reference: str) -> Meant:
        name, _, number = reference.partition("/")
        with self.database.reader.connect() as connection:
            if name in BUILTIN:
                if number not in {"", "1"}:
                    raise NoSuchData(reference)
                return Meant(name, version_of(connection, name, 1))
            row = version_of(connection, name, int(number)) if number else _newest(connection, name)
        if row is None:
            raise NoSuchData(reference)
        if row.state != "ready":
            why = "; ".join(f"{fault['where']}: {fault['detail']}; {fault['remedy']}" for fault in row.faults[:3])
            raise DataNotReady(name, row.version, row.state, why)
        return Meant(f"{name}/{row.version}", row)

    def row_of(self, reference: str) -> Row | None:
        """Look up the version that a resolved reference names; None of what is built in and nobody has looked at.

        None as well of what another account does not share any more.
        """
        try:
            owner, reference = self.owner(reference)
        except NoSuchData:
            return None
        name, _, number = reference.partition("/")
        with (self.database if owner is None else self.database.acting(owner)).reader.connect() as connection:
            return version_of(connection, name, int(number or 1))

    def same(self, name: str, sha256: str) -> str | None:
        """Give the newest ready version of an uploaded data set that holds the examples of this digest, if one does."""
        try:
            owner, name = self.owner(name)
        except NoSuchData:
            return None
        if owner is not None:
            theirs = Resolution(self.database.acting(owner)).same(name, sha256)
            return None if theirs is None else f"{owner}:{theirs}"
        its = (dataset_versions.c.dataset == name) & (dataset_versions.c.sha256 == sha256)
        query = select(dataset_versions.c.version).where(its, dataset_versions.c.state == "ready")
        with self.database.reader.connect() as connection:
            number = connection.scalar(query.order_by(dataset_versions.c.version.desc()).limit(1))
        return None if number is None else f"{name}/{number}"

    def settle(self, specs: Sequence[TrainingSpec]) -> list[TrainingSpec]:
        """Give specs as they are trained, with all that was left open; raises what `of` raises."""
        named = {reference for spec in specs for reference in (spec.dataset, spec.evaluate_on) if reference is not None}
        meant = {reference: self.of(reference) for reference in named}
        return [
            settled(spec, meant[spec.dataset], None if spec.evaluate_on is None else meant[spec.evaluate_on])
            for spec in specs
        ]


def settled(spec: TrainingSpec, meant: Meant, compared: Meant | None = None) -> TrainingSpec:
    """Give a spec whose data set is known, and the one that promotion is decided by, with all that was left open."""
    chosen: dict[str, object] = {"dataset": meant.reference}
    if compared is not None:
        chosen["evaluate_on"] = compared.reference
    if spec.stratify is None:
        chosen["stratify"] = meant.stratify
    if "model" not in spec.model_fields_set:
        chosen["model"] = called(meant.reference)
    return spec.model_copy(update=chosen)


_BEST: Sequence[DataState] = ("ready", "reading", "failed", "cancelled")


def _newest(connection: Connection, name: str) -> Row | None:
    """Look up the newest version that is ready, or else the newest one that is being read, or that could not be."""
    for state in _BEST:
        query = select(dataset_versions.c.version).where(
            dataset_versions.c.dataset == name, dataset_versions.c.state == state
        )
        number = connection.scalar(query.order_by(dataset_versions.c.version.desc()).limit(1))
        if number is not None:
            return version_of(connection, name, number)
    return None
