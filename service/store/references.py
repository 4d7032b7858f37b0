"""What a reference to a model means: `name`, `name@alias`, `name/3`, or the id of a job."""

import re
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from models.filing import DEFAULT_MODEL
from service.store import owners
from service.store.aliases import CHAMPION, Targets, alias_of
from service.store.engine import Database
from service.store.errors import NoCheckpoint, NothingThere
from service.store.grants import right_of
from service.store.scoping import account_of
from service.store.tables import artifacts, jobs, models, versions
from service.store.versions import WEIGHTS, version_of, weights_of

Stored = tuple[str, str]
"""Where a file lies, and the SHA-256 of what it holds."""


_NUMBER = re.compile("[1-9][0-9]{0,8}")  # one version has one name: 2, and not 02
_NAMED = 10  # models that are named where somebody has to choose


@dataclass(frozen=True)
class Target:
    """One network that may answer: a job's checkpoint, or a version of a model, which may be made of several networks.

    `weights`, `golden` and `novelty` are keys of files and their SHA-256; the latter two are there where a network was
    assessed. `sha256` tells its weights from all others.
    """

    job_id: str | None
    weights: tuple[Stored, ...]
    sha256: str
    model: str | None = None
    version: int | None = None
    temperature: float = 1.0
    golden: Stored | None = None
    novelty: Stored | None = None


@dataclass(frozen=True)
class Meaning:
    """Who answers to a reference, and for what share of the requests.

    `alias` is what the reference comes down to (`name@alias`), where it is one that may point elsewhere tomorrow.
    `shadow` is asked along, and answers nobody.
    """

    shares: tuple[tuple[Target, float], ...]
    alias: str | None = None
    shadow: Target | None = None


@dataclass(frozen=True)
class References:
    """References to what is in a database; `default` is the one that stands for none, if the settings name it."""

    database: Database
    default: str | None = None

    def look_up(self, reference: str | None, *, shared: bool = False) -> Meaning:
        """Tell what a reference means; names of models come before ids of jobs.

        With `shared` it may be what another account shares, `acme:digits`: that can be asked, and nothing else.
        Without one, that of the settings is meant, or else the model called "default", or else the only one. Raises
        NothingThere.
        """
        with self.database.reader.connect() as connection:
            if reference is not None and ":" in reference:
                return self._of_another(connection, reference, shared=shared)
            if reference is not None:
                return _meaning(connection, reference)
            if self.default is None:
                return _model(connection, _usual(connection))
            try:
                return _meaning(connection, self.default)
            except NothingThere as missing:
                raise NothingThere(f"TENFOLD_DEFAULT_MODEL is {self.default}: {missing}") from missing

    def _of_another(self, connection: Connection, reference: str, *, shared: bool) -> Meaning:
        owner, _, rest = reference.partition(":")
        name = re.split("[@/]", rest)[0]
        if "\0" in reference or right_of(connection, owner, "model", name, account_of(connection)) is None:
            raise NothingThere(f"no account {owner:.64} shares a model called {name:.128} with this one")
        if not shared:
            raise NothingThere(f"{reference:.200} is another account's: it can be asked, and nothing else")
        with self.database.acting(owner).reader.connect() as theirs:
            meaning = _meaning(theirs, rest)
        shares = tuple((_called_by(owner, target), share) for target, share in meaning.shares)
        shadow = None if meaning.shadow is None else _called_by(owner, meaning.shadow)
        return Meaning(shares, None if meaning.alias is None else f"{owner}:{meaning.alias}", shadow)


def _called_by(owner: str, target: Target) -> Target:
    # Its jobs are not shared, nor what they are called.
    return replace(target, model=f"{owner}:{target.model}", job_id=None)


def _meaning(connection: Connection, reference: str) -> Meaning:
    if "\0" in reference:  # no character to PostgreSQL, which would refuse the question
        raise NothingThere("there is no model and no job whose name has a NUL in it")
    name, at, alias = reference.partition("@")
    if at:
        _require(connection, name)
        return _alias(connection, name, alias)
    name, slash, number = reference.partition("/")
    if slash:
        _require(connection, name)
        if not _NUMBER.fullmatch(number):
            raise NothingThere(f"{number:.20} is no version; write {name}/ and its number, as it is listed")
        return Meaning(((_version(connection, name, int(number)), 1.0),))
    if _is_model(connection, reference):
        return _model(connection, reference)
    return Meaning(((_checkpoint(connection, reference), 1.0),))


def _usual(connection: Connection) -> str:
    """Choose among the models that can answer: one whose versions were all deleted stands in nobody's way."""
    can_answer = select(versions.c.version).where(versions.c.model == models.c.name).exists()
    query = select(models.c.name).where(can_answer).order_by(models.c.name != DEFAULT_MODEL, models.c.name)
    names = connection.scalars(query.limit(_NAMED + 1)).all()
    if not names:
        raise NothingThere("there is no model yet: train one with POST /jobs and wait until it has succeeded")
    if names[0] != DEFAULT_MODEL and len(names) > 1:
        more = " and others" if len(names) > _NAMED else ""
        raise NothingThere(
            f"there are several models, and none is called {DEFAULT_MODEL}: say in model which one, of "
            f"{', '.join(names[:_NAMED])}{more}; or set TENFOLD_DEFAULT_MODEL"
        )
    return str(names[0])


def _is_model(connection: Connection, name: str) -> bool:
    return (
        connection.scalar(select(models.c.name).where(models.c.name == name, models.c.deleted_at.is_(None))) is not None
    )


def _require(connection: Connection, model: str) -> None:
    if not _is_model(connection, model):
        raise NothingThere(f"there is no model called {model}")


def _model(connection: Connection, model: str) -> Meaning:
    """The champion answers for its model; without one, the newest version."""
    if alias_of(connection, model, CHAMPION) is not None:
        return _alias(connection, model, CHAMPION)
    newest = select(versions.c.version).where(versions.c.model == model).order_by(versions.c.version.desc()).limit(1)
    number = connection.scalar(newest)
    if number is None:
        raise NothingThere(f"model {model} has no versions any more")
    return Meaning(((_version(connection, model, number), 1.0),), alias=f"{model}@{CHAMPION}")


def _alias(connection: Connection, model: str, alias: str) -> Meaning:
    row = alias_of(connection, model, alias)
    if row is None:
        raise NothingThere(f"model {model} has no alias {alias}")
    targets: Targets = row.targets
    shares = tuple(
        (_version(connection, model, int(number)), float(share)) for number, share in targets["versions"].items()
    )
    shadow = None if "shadow" not in targets else _version(connection, model, targets["shadow"])
    return Meaning(shares, f"{model}@{alias}", shadow)


def _version(connection: Connection, model: str, number: int) -> Target:
    row = version_of(connection, model, number)
    if row is None:
        raise NothingThere(f"model {model} has no version {number}")
    query = select(artifacts).where(artifacts.c.owner == owners.of_version(model, number))
    files = {file.name: (file.key, file.sha256) for file in connection.execute(query).all()}
    names = [WEIGHTS] if row.members is None else [weights_of(place) for place in range(1, len(row.members) + 1)]
    if not files.keys() >= set(names):
        raise NothingThere(f"the weights of version {number} of model {model} are not there any more")
    return Target(
        job_id=row.job_id,
        weights=tuple(files[name] for name in names),
        sha256=row.weights_sha256,
        model=model,
        version=number,
        temperature=row.facts.get("temperature", 1.0),
        golden=files.get("golden.safetensors"),
        novelty=files.get("novelty.safetensors"),
    )


def _checkpoint(connection: Connection, job_id: str) -> Target:
    """Give the best checkpoint of a job; where that is a version too, as this version."""
    if connection.scalar(select(jobs.c.id).where(jobs.c.id == job_id)) is None:
        raise NothingThere(f"there is no model and no job called {job_id}")
    best = (artifacts.c.owner == owners.of_job(job_id)) & (artifacts.c.name == "best.safetensors")
    file = connection.execute(select(artifacts).where(best)).one_or_none()
    if file is None:
        raise NoCheckpoint(job_id)
    same = (versions.c.job_id == job_id) & (versions.c.weights_sha256 == file.sha256)
    row = connection.execute(select(versions).where(same).order_by(versions.c.created_at.desc()).limit(1)).one_or_none()
    if row is None:
        return Target(job_id, ((file.key, file.sha256),), file.sha256)
    return _version(connection, row.model, row.version)
