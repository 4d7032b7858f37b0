"""What all pictures have in common."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.calibration import measure
from models.data.schema import USUAL
from models.evaluated.counts import Counts
from models.evaluated.curve import Curve
from tests.worker.plots import examples
from tests.worker.plots.pictures import pixels
from worker.plots import job as job_plots
from worker.plots.confusion import confusion
from worker.plots.contact_sheet import look
from worker.plots.curves import precision_recall, roc
from worker.plots.mistakes import mistakes
from worker.plots.reliability import reliability
from worker.plots.scores import scores

LOSSES = np.linspace(2.3, 0.4, 36, dtype=np.float32)
USUALLY = examples.parsed()
OF_TABLE = examples.parsed(examples.PASSENGERS)
CURVE = Curve.of(np.linspace(0, 1, 50), np.arange(50) % 3 % 2)
LOGITS, LABELS = np.random.default_rng(0).normal(0, 2, (300, 10)), np.arange(300) % 10


def draw_calibration(title: str) -> bytes:
    measured = measure(LOGITS, LABELS)
    its = {**asdict(measured), "bins": [asdict(each) for each in measured.bins]}
    return reliability({"examples": 300, "temperature": 1.5, "before": its, "after": its}, title)


PAINTERS: dict[str, Callable[[str], bytes]] = {
    "loss": lambda title: job_plots.loss(LOSSES, [12, 24, 36], [1.9, 1.3, 0.7], title),
    "accuracy": lambda title: job_plots.accuracy([12, 24, 36], [0.7, 0.8, 0.9], [0.65, 0.78, 0.76], title),
    "notice": lambda title: job_plots.loss(LOSSES[:0], [], [], title),
    "confusion": lambda title: confusion(USUALLY.counts, USUALLY.classes, title),
    "confused pairs": lambda title: confusion(Counts.of(examples.confused(40)), [f"c{i}" for i in range(40)], title),
    "mistakes": lambda title: mistakes(USUALLY.mistakes, USUALLY.classes, title, of=30),
    "mistaken rows": lambda title: mistakes(OF_TABLE.mistakes, OF_TABLE.classes, title, of=30),
    "scores": lambda title: scores(USUALLY.counts, USUALLY.classes, title),
    "roc": lambda title: roc(CURVE, ("no", "yes"), title),
    "precision and recall": lambda title: precision_recall(CURVE, ("no", "yes"), title),
    "calibration": draw_calibration,
    "samples": lambda title: look(examples.of_form(USUAL), title),
    "histograms": lambda title: look(examples.of_form(examples.PASSENGERS), title),
}


@pytest.mark.parametrize("what", PAINTERS)
def test_a_picture_is_a_png_of_useful_size_and_the_same_input_gives_the_same_bytes(what: str) -> None:
    png = PAINTERS[what]("A title")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _ = pixels(png).shape
    assert 850 <= width <= 1600
    assert 400 <= height <= 1700
    assert len(png) < 300_000
    assert b"tEXt" not in png
    assert b"tIME" not in png
    assert PAINTERS[what]("A title") == png


def test_drawing_leaves_nothing_global_behind_and_needs_neither_pyplot_nor_torch() -> None:
    script = """
import sys, matplotlib, numpy
from models.data.examples import Examples
from worker.plots import job as job_plots
from worker.plots.contact_sheet import look
def style():  # the backend is left out: to read it is to import pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = style()
job_plots.accuracy([1, 2], [0.5, 0.6], [0.4, 0.5], "Run")
look(Examples(numpy.zeros((1, 28, 28), numpy.uint8), numpy.zeros(1, int)), "Set")
assert style() == before
print(*{"matplotlib.pyplot", "torch", "sqlalchemy", "fastapi"} & set(sys.modules))
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
