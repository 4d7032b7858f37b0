"""Claim: novelty tells images that are no digits from digits better than what the network alone says about them.

Networks are trained on MNIST; what is usual is learned from 10,000 of the validation images, and compared on the other
2,000 with images of other kinds, made of the validation images or of nothing; Fashion-MNIST where it is at hand. The
figure is the area under the ROC curve: 1 tells always, 0.5 is chance. Beside novelty stand the energy of the logits
(Liu et al. 2020, https://arxiv.org/abs/2010.03759) and the largest probability (Hendrycks and Gimpel 2017,
https://arxiv.org/abs/1610.02136).
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bench.figures import circumstances, verdict
from models import inference, novelty
from models.calibration import entropy, fit_temperature, softmax
from models.checkpoints import pack_weights
from models.data.examples import Examples
from models.data.load import load_builtin
from models.data.split import prepare
from models.inference import Network
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train
from service.settings import Settings

Pixels = NDArray[np.uint8]
Scores = dict[str, Callable[[Pixels], NDArray[np.floating]]]

SPECS = {
    "mlp 100-50": TrainingSpec(epochs=5),
    "mlp 30-5": TrainingSpec(hidden_sizes=(30, 5), epochs=5),
    "nmlp 200-200": TrainingSpec(architecture="nmlp", hidden_sizes=(200, 200), dropout=0.2, epochs=5),
}
LEARNED_FROM, COUNT = 10_000, 5000


def unusual(usual: Pixels, folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Yield images that are no digits, by the name of their kind."""
    random = np.random.default_rng(0)
    yield "noise", random.integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
    yield "pixels of a digit, shuffled", random.permuted(usual.reshape(-1, 784), axis=1).reshape(-1, 28, 28)
    yield "dark on light", 255 - usual
    yield "nearly blank", random.integers(0, 20, (COUNT, 28, 28), dtype=np.uint8)
    yield "moved by 6 pixels", np.roll(usual, 6, axis=2)
    yield "turned by 90 degrees", np.rot90(usual, 1, (1, 2))
    yield "upside down", usual[:, ::-1]
    yield "two digits on one another", np.maximum(usual, np.roll(usual, 1, axis=0))
    try:
        yield "Fashion-MNIST", load_builtin("fashion_mnist", folder).values[:COUNT]
    except ValueError:
        print("Fashion-MNIST is not to be had here")


def scores(network: Network, learned_from: Examples) -> Scores:
    """Give three scores of images, each the greater the more unusual they look."""
    temperature = fit_temperature(network.logits(learned_from.values), learned_from.labels)

    def entropies(pixels: Pixels) -> NDArray[np.float64]:
        return entropy(softmax(network.logits(pixels), temperature))

    usual = novelty.fit(learned_from.values, entropies(learned_from.values))
    return {
        "novelty": lambda pixels: -usual.share(pixels, entropies(pixels)),
        "energy": lambda pixels: -np.logaddexp.reduce(network.logits(pixels).astype(np.float64), axis=1),
        "largest probability": lambda pixels: -network.probabilities(pixels).max(axis=1),
    }


def main() -> None:
    """Train, compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Settings().data)
    folder = parser.parse_args().data
    torch.set_num_threads(1)
    print(circumstances(threads=1))
    gains = []
    for name, spec in SPECS.items():
        split = prepare(spec, folder)
        *_, epoch = (record for record in train([spec], split) if isinstance(record, Epoch))
        network = inference.read(pack_weights(epoch.checkpoint, spec, mean=split.mean, deviation=split.deviation))
        pixels, labels = split.validation.values, split.validation.labels
        ways = scores(network, Examples(pixels[:LEARNED_FROM], labels[:LEARNED_FROM]))
        digits = {way: score(pixels[LEARNED_FROM:]) for way, score in ways.items()}
        below = [f"{(-digits['novelty'] < limit).mean():.1%} below {limit}" for limit in (0.05, 0.01)]
        print(f"\n{name}, validation accuracy {epoch.val_accuracy:.4f}; novelty of digits: {', '.join(below)}\n")
        print(f"| kind | {' | '.join(ways)} | novelty below 0.05 | below 0.01 |\n|{'---|' * 6}")
        for kind, others in unusual(pixels[:COUNT], folder):
            found = {way: score(others) for way, score in ways.items()}
            areas = {
                way: roc_auc_score(
                    np.repeat([0, 1], (len(digits[way]), len(others))), np.append(digits[way], found[way])
                )
                for way in ways
            }
            gains.append(areas["novelty"] - max(areas["energy"], areas["largest probability"]))
            shares = [f"{(-found['novelty'] < limit).mean():.1%}" for limit in (0.05, 0.01)]
            print(f"| {kind} | {' | '.join(f'{area:.3f}' for area in areas.values())} | {' | '.join(shares)} |")
    print("\n" + verdict("novelty tells at least as well as the better of the other two", gains, at_least=0.0))


if __name__ == "__main__":
    main()
