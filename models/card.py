"""Model cards: what a network is, what it was trained on, how good it is and what it is not for.

Mitchell et al. 2019, "Model cards for model reporting", https://arxiv.org/abs/1810.03993. A card is a dict that JSON
takes, with the same chapters in the same order as the page in Markdown that is made from it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from models import words
from models.assessment import Assessment
from models.data.schema import USUAL, Images, Table
from models.spec import FILING, TrainingSpec

AUGMENTATION = frozenset({"shift_pixels", "rotation_degrees"})
"""What is done to pictures while a network learns from them, and never to rows."""

_PLACES = (0.5, 0.95, 0.99)
_MOST_WHOLE = 30  # classes whose confusion is shown whole


@dataclass(frozen=True)
class DataDescription:
    """What a network was trained and validated on; `sha256` is the digest of all its examples and labels.

    `warnings` are those of its reading, each with a `kind` and a `detail`.
    """

    name: str
    training_examples: int
    validation_examples: int
    sha256: str
    schema: Images | Table = USUAL
    warnings: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON takes; that the form is the usual one, or that nothing was noticed, is not said."""
        told = {field.name: getattr(self, field.name) for field in fields(self)[:4]}
        if self.schema != USUAL:
            told["schema"] = self.schema.model_dump(mode="json")
        if self.warnings:
            told["warnings"] = [{"kind": its["kind"], "detail": its["detail"]} for its in self.warnings]
        return told


def write(
    spec: TrainingSpec,
    data: DataDescription,
    assessment: Assessment,
    *,
    accuracies: Mapping[str, float],
    epoch: int,
    weights_sha256: str,
    parameters: int,
    made_with: Mapping[str, str | int],
) -> dict[str, Any]:
    """Write the card of the network whose best weights, those after `epoch`, were assessed.

    `accuracies` are those that are known, by the part they were measured on (`training`, `validation`, `test`);
    `made_with` is the fingerprint of the run and the versions of what it ran on.
    """
    about = {
        "name": spec.name or spec.model,
        "labels": dict(spec.labels),
        "architecture": spec.architecture,
        "hidden_sizes": list(spec.hidden_sizes),
        "parameters": parameters,
        "epoch": epoch,
        "weights_sha256": weights_sha256,
        "made_with": dict(made_with),
    }
    pictures_only = AUGMENTATION if isinstance(data.schema, Table) else frozenset()
    said = {*FILING, *pictures_only, "architecture", "hidden_sizes", "dataset"}
    training = spec.model_dump(mode="json", exclude=said)
    return _card(about, data, assessment, training=training, accuracies=accuracies)


def write_ensemble(
    name: str, members: Sequence[Mapping[str, Any]], data: DataDescription, assessment: Assessment
) -> dict[str, Any]:
    """Write the card of networks that answer together, each of which has a card of its own.

    `members` tell of each its `version`, its `val_accuracy` and its `weights_sha256`.
    """
    accuracies = {"validation": assessment.accuracy}
    return _card({"name": name, "members": list(members)}, data, assessment, training={}, accuracies=accuracies)


def _card(
    about: Mapping[str, Any],
    data: DataDescription,
    assessment: Assessment,
    *,
    training: Mapping[str, Any],
    accuracies: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "model": dict(about),
        "use": {"intended": words.use(data.schema), "limits": words.limits(data.schema)},
        "data": data.as_dict(),
        "training": dict(training),
        "accuracies": dict(accuracies),
        "assessment": assessment.as_dict(),
        "novelty": {
            "meaning": words.novelty(data.schema),
            "quantiles": list(_PLACES),
            "distances": _quantiles(assessment.novelty.distances.tolist()),
            "entropies": _quantiles(assessment.novelty.entropies.tolist()),
        },
    }


def markdown(card: Mapping[str, Any]) -> str:
    """Give a card as a page; what a user wrote is escaped, and shows as it was written."""
    model, data, found, novelty = card["model"], card["data"], card["assessment"], card["novelty"]
    before, after, things = found["before"], found["after"], words.things(data.get("schema"))
    # Cards of before name no classes: they are the digits.
    names = [its.get("name", label) for label, its in enumerate(found["classes"])]
    chapters = [
        f"# Model card: {escape(model['name'] or 'a network without a name')}",
        *(_ensemble(model) if "members" in model else _network(model)),
        "## Intended use",
        card["use"]["intended"],
        "## Limits",
        "\n".join(f"- {escape(sentence)}" for sentence in card["use"]["limits"]),
        "## Data",
        f"{escape(data['name'])}: {data['training_examples']:,} {things} to learn from and "
        f"{data['validation_examples']:,} to validate with. SHA-256 of all: {data['sha256']}.",
        *_warnings(data.get("warnings", ())),
        *(_training(card) if "members" not in model else []),
        "## Accuracy",
        _table(("part", "read correctly"), ((part, _percent(share)) for part, share in card["accuracies"].items())),
        *_means(found),
        f"The classes of the {found['examples']:,} validation {things}:",
        _table(
            ("class", "examples", "precision", "recall", "F1"),
            (
                (name, its["examples"], _percent(its["precision"]), _percent(its["recall"]), _percent(its["f1"]))
                for name, its in zip(names, found["classes"], strict=True)
            ),
        ),
        *_confusion(names, found["confusion"]),
        "## Calibration",
        f"Logits are divided by the temperature {found['temperature']:.3f}, which was fitted to the validation "
        f"{things}. For each measure, less is better.",
        _table(
            ("measure", "before", "after"),
            (
                (name.replace("_", " "), f"{before[name]:.4f}", f"{after[name]:.4f}")
                for name in ("expected_calibration_error", "negative_log_likelihood", "brier_score")
            ),
        ),
        "How sure it was afterwards, and how often it was right:",
        _table(
            ("above", "to", things, "mean confidence", "right"),
            (
                (
                    f"{its['lower']:.2f}",
                    f"{its['upper']:.2f}",
                    its["count"],
                    _percent(its["confidence"]),
                    _percent(its["accuracy"]),
                )
                for its in after["bins"]
            ),
        ),
        "## Novelty",
        novelty["meaning"],
        _table(
            (f"of the validation {things}", "distance at most", "entropy at most"),
            (
                (_percent(place), f"{distance:,.0f}", f"{entropy:.3f}")
                for place, distance, entropy in zip(
                    novelty["quantiles"], novelty["distances"], novelty["entropies"], strict=True
                )
            ),
        ),
    ]
    return "\n\n".join([*chapters, *_evaluations(card.get("evaluations", ()))]) + "\n"


def _evaluations(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give what was measured since on other data, the newest first."""
    rows = (
        (
            f"{its['dataset']}, {its['part']}",
            its["examples"],
            _percent(its["accuracy"]),
            its["against"] or "-",
            "-" if its["difference"] is None else f"{its['difference']:+.4f} ({its['metric'].replace('_', ' ')})",
            "-" if its["p"] is None else f"{its['p']:.4f}",
        )
        for its in found
    )
    head = ("data", "examples", "read correctly", "against", "difference", "p")
    return ["## Evaluations", _table(head, rows)] if found else []


_WORDS = "Its words are those of Mitchell et al. 2019, <https://arxiv.org/abs/1810.03993>."


def _network(model: Mapping[str, Any]) -> list[str]:
    sizes = "-".join(str(size) for size in model["hidden_sizes"])
    return [
        f"{model['architecture'].upper()} {sizes}, {model['parameters']:,} parameters, after epoch {model['epoch']}. "
        f"{_WORDS}",
        _table(("fact", "value"), [*_pairs("label ", model["labels"]), ("weights, SHA-256", model["weights_sha256"])]),
    ]


def _ensemble(model: Mapping[str, Any]) -> list[str]:
    members = model["members"]
    return [
        f"{len(members)} networks that answer together: the mean of their probabilities. Each has a card of its own. "
        f"{_WORDS}",
        _table(
            ("version", "validation accuracy", "weights, SHA-256"),
            ((its["version"], _percent(its["val_accuracy"]), its["weights_sha256"]) for its in members),
        ),
    ]


def _training(card: Mapping[str, Any]) -> list[str]:
    return [
        "## Training",
        _table(("setting", "value"), _pairs("", card["training"])),
        "Made with:",
        _table(("what", "value"), _pairs("", card["model"]["made_with"])),
    ]


def _warnings(found: Sequence[Mapping[str, Any]]) -> list[str]:
    listed = "\n".join(f"- {escape(its['detail'])}" for its in found)
    return ["What was noticed when it was read:", listed] if found else []


def _means(found: Mapping[str, Any]) -> list[str]:
    """Give the figures that count each class alike; cards of before have none."""
    if "macro_f1" not in found:
        return []
    balanced, macro = (_percent(found[name]) for name in ("balanced_accuracy", "macro_f1"))
    return [f"Each class counted alike: balanced accuracy {balanced}, macro F1 {macro}."]


def _confusion(names: Sequence[object], counts: Sequence[Sequence[int]]) -> list[str]:
    """Give the counts of true and predicted classes, or of many classes the pairs that are mistaken most."""
    if len(names) <= _MOST_WHOLE:
        rows = ((name, *row) for name, row in zip(names, counts, strict=True))
        # In the head of a table too, the names are somebody's.
        return ["True classes are rows, predicted ones columns:", _table(["", *map(escape, names)], rows)]
    pairs = [
        (names[true], names[read], count)
        for true, row in enumerate(counts)
        for read, count in enumerate(row)
        if count and true != read
    ]
    most = sorted(pairs, key=lambda pair: -pair[2])[:_MOST_WHOLE]
    return [
        f"Of {len(names):,} classes, the pairs that were mistaken most:",
        _table(("true class", "predicted class", "examples"), most),
    ]


def escape(text: object) -> str:
    """Give a text as Markdown that shows it as it is, on one line: no emphasis, link, HTML or end of a table's cell."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", printable(text))


def printable(text: object) -> str:
    """Give a text on one line, of letters that show."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _pairs(prefix: str, values: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(prefix + name, "none" if value is None else value) for name, value in values.items()]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _quantiles(values_Q: Sequence[float]) -> list[float]:
    return [values_Q[round(place * (len(values_Q) - 1))] for place in _PLACES]
