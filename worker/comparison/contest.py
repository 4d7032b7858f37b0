"""Decides whether a new version is to be champion, by what it and the champion come to on the same examples."""

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models import measures
from models.data.examples import Examples
from models.ensemble import Ensemble
from models.evaluated.judged import Judged
from models.evaluated.paired import compare
from models.inference import Network
from models.metric import Metric
from service.artifacts import Artifacts
from service.disk.faults import may_pass, told
from service.settings import Settings
from service.store.engine import DatabaseError
from service.store.errors import ChampionChanged
from service.store.promotion import (
    GUESSING,
    VALUES,
    Comparison,
    Promotion,
    Verdict,
    WorstClass,
    obstacle_to,
)
from service.store.store import Store
from worker.comparison.champion import Champion
from worker.comparison.unlearned import Ground, NotComparedError, kept
from worker.learned_from import UNKNOWN, UnknownError

_logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 20  # after each of which somebody else has moved the champion meanwhile


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that is to be a version of a model.

    `facts` are what its assessment found on the `validation` part of `dataset`, which `key` tells from all others;
    `learned` the hashes of what it has learned from, None where that is not known.
    """

    network: Network | Ensemble
    dataset: str
    validation: Examples
    key: Hashable
    facts: Mapping[str, Any]
    learned: NDArray[np.uint64] | None


@dataclass(frozen=True, eq=False)
class Contest:
    """A new version of a model against the champion; what it reads, it reads without holding a lock.

    `candidate` is None where it could not be assessed.
    """

    model: str
    metric: Metric
    promotion: Promotion
    candidate: Candidate | None
    store: Store
    artifacts: Artifacts
    settings: Settings

    def settle(self, put: Callable[[Verdict], T]) -> T:
        """Put the version on record by a function that takes the verdict; gives what that gives.

        While it was measured the champion may have been moved, which `put` says by ChampionChanged: then it is measured
        again.
        """
        for _ in range(_TRIES):
            try:
                return put(self.verdict())
            except ChampionChanged:
                continue
        return put(Verdict(None, "the champion was moved again and again while it was compared", is_final=True))

    def verdict(self) -> Verdict:
        """Measure the new version and the champion of now. Raises OSError while files cannot be read for now."""
        if self.promotion.rule != "if_better":
            return Verdict(None)  # nothing depends on it
        row = self.store.models.champion(self.model)
        champion = None if row is None else Champion(row, self.store, self.artifacts, self.settings)
        number = None if row is None else int(row.version)
        try:
            found = self._measured(champion)
        except NotComparedError as why:
            return Verdict(number, str(why))
        except Exception as error:
            if isinstance(error, DatabaseError) or may_pass(error):
                raise
            # What has been trained is not lost for it: the champion stays, and the log says what nobody foresaw.
            _logger.exception("a new version of model %s could not be compared with the champion", self.model)
            return Verdict(number, f"comparing it with the champion went wrong: {told(error)}")
        return Verdict(number, obstacle_to(self.promotion, found), found)

    def _measured(self, champion: Champion | None) -> Comparison:
        mine = self.candidate
        if mine is None:
            raise NotComparedError("it could not be assessed")
        ground = self._ground(mine)
        if champion is None and self.promotion.evaluate_on is None:
            # Measured when it was assessed; on few examples too, as there is nobody to be compared with.
            value, guess = mine.facts[VALUES][self.metric], mine.facts[GUESSING][self.metric]
            return Comparison(ground.dataset, ground.part, len(ground.rows), 0, self.metric, value, guess)
        try:
            taken = ground.seen(mine.learned, mine.network)
            if champion is None:
                ground = ground.without(taken)
                found = self._told(ground, ground.judged(mine.network, mine.facts))
                return replace(found, learned_unknown=mine.learned is None)
        except ValueError as error:
            raise NotComparedError(f"it cannot be measured on {ground.dataset}: {told(error)}") from error
        network = champion.network()
        its_learned = self._learned(champion, mine)
        try:
            if its_learned is not None:
                taken = taken | ground.seen(its_learned, network)
            ground = ground.without(taken)
            facts = champion.row.facts
            theirs = kept(
                ("judged", champion.row.weights_sha256, facts.get("temperature"), ground.key),
                lambda: ground.judged(network, facts),
            )
        except ValueError as error:
            detail = f"{champion.called} cannot be measured on the same examples: {told(error)}"
            raise NotComparedError(f"{detail}; {champion.remedy}") from error
        try:
            ours = ground.judged(mine.network, mine.facts)
        except ValueError as error:
            raise NotComparedError(f"it cannot be measured on {ground.dataset}: {told(error)}") from error
        found = self._told(ground, ours, theirs)
        return replace(
            found, champion=int(champion.row.version), learned_unknown=its_learned is None or mine.learned is None
        )

    def _learned(self, champion: Champion, mine: Candidate) -> NDArray[np.uint64] | None:
        """Give the hashes of what the champion has learned from; None where that is unknown, and examples were named.

        Raises NotComparedError where it is unknown of one of the two, and nobody has named examples.
        """
        its, who, why = None, "it", None
        if mine.learned is None:
            why = mine.facts.get(UNKNOWN, "of one of its members it is not")
        try:
            its = champion.learned()
        except UnknownError as error:
            who, why = champion.called, str(error)
        if why is not None and self.promotion.evaluate_on is None:
            raise NotComparedError(
                f"not all that {who} learned from is known any more ({why}), and so not whether these examples are "
                "among it; name a data set in evaluate_on that neither can have learned from"
            )
        return its

    def _ground(self, mine: Candidate) -> Ground:
        """Give the examples that are meant, with all that somebody has learned from."""
        reference = self.promotion.evaluate_on
        if reference is None:
            return Ground.of_validation(mine.dataset, mine.validation, mine.key)
        try:
            return Ground.of(reference, self.store, self.artifacts, self.settings)
        except (ValueError, OSError) as error:
            if may_pass(error):
                raise
            detail = f"the data set that evaluate_on names, {reference}, cannot be read: {told(error)}"
            raise NotComparedError(f"{detail}; name another in evaluate_on") from error

    def _told(self, ground: Ground, ours: Judged, theirs: Judged | None = None) -> Comparison:
        found = Comparison(
            ground.dataset,
            ground.part,
            len(ground.rows),
            ground.left_out,
            self.metric,
            ours.value(self.metric),
            measures.guessing(ours.counts.belong)[self.metric],
        )
        if theirs is None:
            return found
        paired = compare(ours, theirs, self.metric)
        return replace(
            found,
            champion_value=paired.metric.theirs,
            difference=paired.metric.difference,
            interval=paired.metric.interval,
            p=paired.p,
            worst_class=_worst(ours, theirs, len(ground.examples.schema.classes)),
        )


def _worst(ours: Judged, theirs: Judged, classes: int) -> WorstClass:
    """Find the class that loses most, of those that have examples."""
    belong = ours.counts.belong[:classes]
    there = np.flatnonzero(belong)
    mine, its = (judged.counts.right[:classes][there] / belong[there] for judged in (ours, theirs))
    place = int((its - mine).argmax())
    return WorstClass(ours.classes[there[place]], float(mine[place]), float(its[place]))
