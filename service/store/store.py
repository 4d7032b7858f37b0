"""The record: the only SQL, and every legal change of a job's state as one guarded statement."""

from dataclasses import dataclass, field, replace

from sqlalchemy.util import LRUCache

from service.access.account_limits import Limits
from service.settings import Settings
from service.store.accounts import Accounts
from service.store.aliases import Aliases
from service.store.api_keys import ApiKeys
from service.store.audit import Audit
from service.store.datasets import Datasets
from service.store.deliveries import Deliveries
from service.store.engine import Database
from service.store.ensembles import Ensembles
from service.store.evaluations import Evaluations
from service.store.events import Events
from service.store.files import Files
from service.store.grants import Grants
from service.store.halving import Rungs
from service.store.jobs import Jobs
from service.store.keys import Keys
from service.store.processors import Processors
from service.store.queue.waiting import Queue
from service.store.readings import Readings
from service.store.references import References
from service.store.registry import Models
from service.store.resolution import Resolution
from service.store.runs import Runs
from service.store.stalled import Stalled
from service.store.submissions import Submissions
from service.store.sweeps import Sweeps
from service.store.uploads import Uploads
from service.store.webhooks import Webhooks
from service.store.workers import Workers


@dataclass(frozen=True)
class Store:
    """All that is recorded, by resource."""

    database: Database
    settings: Settings = field(repr=False, compare=False)
    submissions: Submissions
    keys: Keys
    jobs: Jobs
    runs: Runs
    stalled: Stalled
    sweeps: Sweeps
    rungs: Rungs
    files: Files
    datasets: Datasets
    resolution: Resolution
    readings: Readings
    models: Models
    aliases: Aliases
    ensembles: Ensembles
    evaluations: Evaluations
    events: Events
    references: References
    uploads: Uploads
    webhooks: Webhooks
    deliveries: Deliveries
    workers: Workers
    processors: Processors
    accounts: Accounts
    api_keys: ApiKeys
    audit: Audit
    grants: Grants
    queue: Queue
    made: LRUCache[tuple[str, str | None, Limits | None], "Store"] = field(
        default_factory=lambda: LRUCache(1000), repr=False, compare=False
    )

    @classmethod
    def open(cls, settings: Settings) -> "Store":
        """Open the database that the settings name, and bring its tables up to date.

        What is looked up by a name is only had of the store of an account.
        """
        return cls._in(Database.open(settings.database_url), settings)

    def of(self, account: str, actor: str | None = None, limits: Limits | None = None) -> "Store":
        """Give the record as it is for one account, who acts by a key, within limits; for EVERYONE, whole."""
        asked = (account, actor, limits)
        if (known := self.made.get(asked)) is None:
            its = self._in(self.database.acting(*asked), self.settings)
            known = self.made[asked] = replace(its, made=self.made)
        return known

    def holding(self, reference: str) -> tuple["Store", str]:
        """Give the record of whoever has a data set, and how it is called there.

        Raises NoSuchData where that is another account, which does not share it, or not any more.
        """
        owner, name = self.resolution.owner(reference)
        return (self if owner is None else self.of(owner)), name

    @classmethod
    def _in(cls, database: Database, settings: Settings) -> "Store":
        return cls(
            database=database,
            settings=settings,
            submissions=Submissions(database),
            keys=Keys(database),
            jobs=Jobs(database),
            runs=Runs(database, settings.lease_seconds),
            stalled=Stalled(database),
            sweeps=Sweeps(database),
            rungs=Rungs(database),
            files=Files(database),
            datasets=Datasets(database),
            resolution=Resolution(database),
            readings=Readings(database, settings.lease_seconds),
            models=Models(database),
            aliases=Aliases(database),
            ensembles=Ensembles(database),
            evaluations=Evaluations(database, settings.lease_seconds),
            events=Events(database),
            references=References(database, settings.default_model),
            uploads=Uploads(database, most=settings.open_uploads, hours=settings.upload_hours),
            webhooks=Webhooks(database),
            deliveries=Deliveries(database),
            workers=Workers(database),
            processors=Processors(database),
            accounts=Accounts(database),
            api_keys=ApiKeys(database),
            audit=Audit(database),
            queue=Queue(database),
            grants=Grants(database),
        )
