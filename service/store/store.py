"""The record: the only SQL, and every legal change of a job's state as one guarded statement."""

from dataclasses import dataclass

from service.settings import Settings
from service.store.aliases import Aliases
from service.store.datasets import Datasets
from service.store.engine import Database
from service.store.ensembles import Ensembles
from service.store.evaluations import Evaluations
from service.store.files import Files
from service.store.halving import Rungs
from service.store.jobs import Jobs
from service.store.keys import Keys
from service.store.processors import Processors
from service.store.readings import Readings
from service.store.references import References
from service.store.registry import Models
from service.store.resolution import Resolution
from service.store.runs import Runs
from service.store.stalled import Stalled
from service.store.submissions import Submissions
from service.store.sweeps import Sweeps
from service.store.uploads import Uploads
from service.store.workers import Workers


@dataclass(frozen=True)
class Store:
    """All that is recorded, by resource."""

    database: Database
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
    references: References
    uploads: Uploads
    workers: Workers
    processors: Processors

    @classmethod
    def open(cls, settings: Settings) -> "Store":
        """Open the database that the settings name, and bring its tables up to date."""
        database = Database.open(settings.database_url)
        return cls(
            database=database,
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
            references=References(database, settings.default_model),
            uploads=Uploads(database, most=settings.open_uploads, hours=settings.upload_hours),
            workers=Workers(database),
            processors=Processors(database),
        )
