"""Claim: novelty tells rows that are none of a table's from its own better than what the network alone says about them.

Three real tables that come with scikit-learn: wine and breast cancer as they are, and breast cancer with each number
cut into four levels. Of each, a network learns from half, what is usual is learned from three tenths, and the other
fifth is compared with rows that are made of it, or of a class that was kept from the network; over several divisions.
The figure is the area under the ROC curve: 1 tells always, 0.5 is chance.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from bench.figures import circumstances, verdict
from models import inference, novelty
from models.calibration import entropy, fit_temperature, softmax
from models.checkpoints import pack_weights
from models.data.examples import Examples
from models.data.schema import Column, Table
from models.data.split import divide
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train

SPEC = TrainingSpec(hidden_sizes=(32,), batch_size=16, learning_rate=0.01, epochs=20)
LEVELS = 4
WAYS = ("novelty", "energy", "largest probability")

Rows = NDArray[np.float64]


def tables() -> Iterator[tuple[str, Rows, NDArray[np.int64], tuple[Column, ...]]]:
    """Yield the name, rows, labels and columns of each table."""
    for name, bunch in (("wine", datasets.load_wine()), ("breast cancer", datasets.load_breast_cancer())):
        columns = tuple(Column(name=str(called), type="number") for called in bunch.feature_names)
        yield name, bunch.data, bunch.target.astype(np.int64), columns
    quarters = np.quantile(bunch.data, np.arange(1, LEVELS) / LEVELS, axis=0)
    levels = tuple(f"quarter {number}" for number in range(1, LEVELS + 1))
    cut = (bunch.data[:, None] >= quarters).sum(axis=1).astype(np.float64)
    as_levels = tuple(Column(name=column.name, type="category", levels=levels) for column in columns)
    yield f"{name}, as levels", cut, bunch.target.astype(np.int64), as_levels


def unusual(usual: Rows, random: np.random.Generator, *, are_levels: bool) -> Iterator[tuple[str, Rows]]:
    """Yield rows that are none of a table's, by the name of their kind."""
    yield "each column shuffled by itself", random.permuted(usual, axis=0)
    yield "columns in another order", usual[:, ::-1]
    if are_levels:
        yield "levels drawn at random", random.integers(0, LEVELS, usual.shape).astype(np.float64)
        some = usual.copy()
        some[random.random(some.shape) < 0.3] = -1
        yield "three levels of ten unknown", some
        one = usual.copy()
        one[np.arange(len(one)), random.integers(0, one.shape[1], len(one))] = -1
        yield "one level unknown", one
    else:
        yield "drawn evenly between the ends", random.uniform(usual.min(axis=0), usual.max(axis=0), usual.shape)
        one = usual.copy()
        places = random.integers(0, one.shape[1], len(one))
        one[np.arange(len(one)), places] += 6 * usual.std(axis=0)[places]
        yield "one number off by six deviations", one
        large = usual.copy()
        large[np.arange(len(large)), places] *= 10
        yield "one number ten times as large", large
        yield "all numbers a tenth larger", usual * 1.1
    yield "all cells missing", np.full((len(usual), usual.shape[1]), np.nan)


def compare(
    rows: Rows, labels: NDArray[np.int64], columns: tuple[Column, ...], seed: int
) -> dict[str, tuple[list[float], float]]:
    """Give the three areas of each kind, and how many have a novelty below 0.05, for one division of a table."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(rows))
    tested, kept = order[: len(order) // 5], order[len(order) // 5 :]
    classes = tuple(str(place) for place in range(labels.max() + 1))
    strange = rows[:0]
    if len(classes) > 2:  # the last class is kept from the network
        strange = rows[labels == len(classes) - 1]
        tested, kept = (its[labels[its] < len(classes) - 1] for its in (tested, kept))
        classes = classes[:-1]
    schema = Table(columns=columns, classes=classes)
    split = divide(
        Examples(rows[kept], labels[kept], schema), validation_fraction=3 / 8, split_seed=seed, stratify=True
    )
    *_, epoch = (record for record in train([SPEC], split) if isinstance(record, Epoch))
    weights = pack_weights(
        epoch.checkpoint, SPEC, mean=split.mean, deviation=split.deviation, schema=schema, plan=split.plan
    )
    network, plan = inference.read(weights), split.plan
    assert plan is not None, "a table has one"
    learned_from = split.validation
    temperature = fit_temperature(network.logits(plan.apply(learned_from.values)), learned_from.labels)

    def scores(some: Rows) -> dict[str, NDArray[np.floating]]:
        taken = plan.apply(some)
        logits = network.logits(taken)
        entropies = entropy(softmax(logits, temperature))
        return {
            "novelty": -usual.share(taken, entropies, novelty.count_unlearned(some, schema, plan)),
            "energy": -np.logaddexp.reduce(logits.astype(np.float64), axis=1),
            "largest probability": -network.probabilities(taken).max(axis=1),
        }

    known = plan.apply(learned_from.values)
    usual = novelty.fit(learned_from.values, entropy(softmax(network.logits(known), temperature)), schema, plan)
    own = scores(rows[tested])
    found: dict[str, tuple[list[float], float]] = {"its own rows": ([], float((-own["novelty"] < 0.05).mean()))}
    kinds = list(unusual(rows[tested], random, are_levels=columns[0].type == "category"))
    if len(strange):
        kinds.append(("a class that it never saw", strange))
    for kind, others in kinds:
        theirs = scores(others)
        truth = np.repeat([0, 1], (len(tested), len(others)))
        areas = [float(roc_auc_score(truth, np.append(own[way], theirs[way]))) for way in WAYS]
        found[kind] = areas, float((-theirs["novelty"] < 0.05).mean())
    return found


def main() -> None:
    """Train, compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--divisions", type=int, default=10)
    divisions = parser.parse_args().divisions
    torch.set_num_threads(1)
    print(circumstances(threads=1))
    gains = []
    for name, rows, labels, columns in tables():
        each = [compare(rows, labels, columns, seed) for seed in range(divisions)]
        print(f"\n{name}\n\n| rows | {' | '.join(WAYS)} | novelty below 0.05 |\n|{'---|' * 5}")
        for kind in each[0]:
            below = np.mean([found[kind][1] for found in each])
            areas = np.mean([found[kind][0] for found in each], axis=0)
            if len(areas):
                gains.append(areas[0] - areas[1:].max())
            told = [f"{area:.3f}" for area in areas] or ["", "", ""]
            print(f"| {kind} | {' | '.join(told)} | {below:.0%} |")
    print("\n" + verdict("novelty tells at least as well as the better of the other two", gains, at_least=0.0))


if __name__ == "__main__":
    main()
