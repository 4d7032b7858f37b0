"""The champion that a new version is compared with: its network, as it is on the disk, and what it has learned from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ensemble import Ensemble
from models.inference import Network, read
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.store import Store
from service.store.versions import WEIGHTS, weights_of
from worker.comparison.unlearned import NotComparedError, kept
from worker.learned_from import Known


@dataclass(frozen=True, eq=False)
class Champion:
    """A version that answers for its model; `row` is that of the table `versions`."""

    row: Row
    store: Store
    artifacts: Artifacts
    settings: Settings

    @property
    def called(self) -> str:
        """Say which one it is."""
        return f"the champion, version {self.row.version},"

    @property
    def remedy(self) -> str:
        """Say how a new version becomes champion all the same."""
        path = f"PUT /models/{self.row.model}/aliases/champion"
        return f"{path} promotes the new version by hand, `promote: always` the next ones"

    def network(self) -> Network | Ensemble:
        """Read it; raises NotComparedError where its files are gone or damaged."""
        count = 0 if self.row.members is None else len(self.row.members)
        names = [weights_of(member) for member in range(1, count + 1)] or [WEIGHTS]
        files = self._files()
        try:
            networks = [read(self.artifacts.read(files[name].key, files[name].sha256)) for name in names]
            return Ensemble(networks) if count else networks[0]
        except KeyError as error:
            raise NotComparedError(f"{self.called} has no weights any more; {self.remedy}") from error
        except (ValueError, OSError) as error:
            if may_pass(error):
                raise
            raise NotComparedError(f"{self.called} cannot be read any more: {told(error)}; {self.remedy}") from error

    def learned(self) -> NDArray[np.uint64]:
        """Give the hashes of what it has learned from; raises UnknownError where that is not known any more."""
        known = Known(self.store, self.artifacts, self.settings)
        return kept(("learned", self.row.weights_sha256), lambda: known.of_version(self.row))

    def _files(self) -> dict[str, Any]:
        owner = owners.of_version(self.row.model, self.row.version)
        return {file.name: file for file in self.store.files.of(owner)}
