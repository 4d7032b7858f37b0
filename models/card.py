"""Model cards: what a network is, what it was trained on, how good it is and what it is not for.

Mitchell et al. 2019, "Model cards for model reporting", https://arxiv.org/abs/1810.03993. A card is a dict that JSON
takes, with the same chapters in the same order as the page in Markdown that is made from it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.assessment import Assessment
from models.spec import FILING, TrainingSpec

USE = (
    "To learn with, to compare networks, and to read images like those that it was trained on, where a wrong answer "
    "costs nothing or a human looks at it."
)
LIMITS = (
    "It takes one grey image of 28 x 28 pixels, light on dark, with one thing on it, placed as in its data set. "
    "Several digits, words and photographs are not for it.",
    "It names one of its ten classes for every image, also for one that shows none of them. The entropy of a "
    "prediction and its novelty help to notice that, and miss some.",
    "The epoch that is served was chosen by the validation part, and the temperature fitted to it: new images of the "
    "same kind are read a little worse than the figures say, images of another kind much worse.",
    "It was not measured whether all people's handwriting is read equally well.",
    "It is not for anything where an error hurts somebody, such as money, medicine or marks, unless a human looks at "
    "every answer.",
)
NOVELTY = (
    "Novelty is the share of images like the validation images that look at least as unusual as an image, at most: by "
    "the distance of its pixels from theirs or from their middle, or by the entropy of its prediction, whichever is "
    "more unusual. Of images like them, about one in a hundred is below 0.01."
)

_PLACES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class DataDescription:
    """What a network was trained and validated on; `sha256` is the digest of all its pixels and labels."""

    name: str
    training_examples: int
    validation_examples: int
    sha256: str


def write(
    spec: TrainingSpec,
    data: DataDescription,
    assessment: Assessment,
    *,
    accuracies: Mapping[str, float],
    epoch: int,
    weights_sha256: str,
    made_with: Mapping[str, str | int],
) -> dict[str, Any]:
    """Write the card of the network whose best weights, those after `epoch`, were assessed.

    `accuracies` are those that are known, by the part they were measured on (`training`, `validation`, `test`);
    `made_with` is the fingerprint of the run and the versions of what it ran on.
    """
    about = {
        "name": spec.name,
        "labels": dict(spec.labels),
        "architecture": spec.architecture,
        "hidden_sizes": list(spec.hidden_sizes),
        "parameters": spec.parameters,
        "epoch": epoch,
        "weights_sha256": weights_sha256,
        "made_with": dict(made_with),
    }
    training = spec.model_dump(mode="json", exclude={*FILING, "architecture", "hidden_sizes", "dataset"})
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
        "use": {"intended": USE, "limits": list(LIMITS)},
        "data": asdict(data),
        "training": dict(training),
        "accuracies": dict(accuracies),
        "assessment": assessment.as_dict(),
        "novelty": {
            "meaning": NOVELTY,
            "quantiles": list(_PLACES),
            "distances": _quantiles(assessment.novelty.distances.tolist()),
            "entropies": _quantiles(assessment.novelty.entropies.tolist()),
        },
    }


def markdown(card: Mapping[str, Any]) -> str:
    """Give a card as a page; what a user wrote is escaped, and shows as it was written."""
    model, data, found, novelty = card["model"], card["data"], card["assessment"], card["novelty"]
    before, after = found["before"], found["after"]
    chapters = [
        f"# Model card: {escape(model['name'] or 'a network without a name')}",
        *(_ensemble(model) if "members" in model else _network(model)),
        "## Intended use",
        card["use"]["intended"],
        "## Limits",
        "\n".join(f"- {sentence}" for sentence in card["use"]["limits"]),
        "## Data",
        f"{escape(data['name'])}: {data['training_examples']:,} images to learn from and "
        f"{data['validation_examples']:,} to validate with. SHA-256 of all: {data['sha256']}.",
        *(_training(card) if "members" not in model else []),
        "## Accuracy",
        _table(("part", "read correctly"), ((part, _percent(share)) for part, share in card["accuracies"].items())),
        f"The classes of the {found['examples']:,} validation images:",
        _table(
            ("class", "examples", "precision", "recall", "F1"),
            (
                (label, its["examples"], _percent(its["precision"]), _percent(its["recall"]), _percent(its["f1"]))
                for label, its in enumerate(found["classes"])
            ),
        ),
        "True classes are rows, predicted ones columns:",
        _table(("", *range(len(found["confusion"]))), ((label, *row) for label, row in enumerate(found["confusion"]))),
        "## Calibration",
        f"Logits are divided by the temperature {found['temperature']:.3f}, which was fitted to the validation images. "
        "For each measure, less is better.",
        _table(
            ("measure", "before", "after"),
            (
                (name.replace("_", " "), f"{before[name]:.4f}", f"{after[name]:.4f}")
                for name in ("expected_calibration_error", "negative_log_likelihood", "brier_score")
            ),
        ),
        "How sure it was afterwards, and how often it was right:",
        _table(
            ("above", "to", "images", "mean confidence", "right"),
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
            ("of the validation images", "distance at most", "entropy at most"),
            (
                (_percent(place), f"{distance:,.0f}", f"{entropy:.3f}")
                for place, distance, entropy in zip(
                    novelty["quantiles"], novelty["distances"], novelty["entropies"], strict=True
                )
            ),
        ),
    ]
    return "\n\n".join(chapters) + "\n"


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


def escape(text: object) -> str:
    """Give a text as Markdown that shows it as it is, on one line: no emphasis, link, HTML or end of a table's cell."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(printable.split()))


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _pairs(prefix: str, values: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(prefix + name, "none" if value is None else value) for name, value in values.items()]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _quantiles(values_Q: Sequence[float]) -> list[float]:
    return [values_Q[round(place * (len(values_Q) - 1))] for place in _PLACES]
