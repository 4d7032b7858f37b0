import json
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from models import inference, words
from models.assessment import assess
from models.card import DataDescription, escape, markdown, write
from models.data.schema import USUAL
from models.spec import FILING, TrainingSpec
from tests.models.networks import network_and_file, random_pixels

PARAMETERS = 84_060
SPEC = TrainingSpec(
    name="trial_1", labels={"team": "hand_writing - a.b"}, architecture="nmlp", hidden_sizes=(9, 8), max_seconds=60.0
)
ASSESSED = assess(
    inference.read(network_and_file("nmlp", (9, 8), seed=0)[1]), random_pixels(50), np.arange(50, dtype=np.int64) % 9
)


def written(name: str = "mnist") -> dict[str, Any]:
    return write(
        SPEC,
        DataDescription(name, 48_000, 12_000, "ab" * 32),
        ASSESSED,
        accuracies={"training": 0.98, "validation": 0.975},
        epoch=7,
        weights_sha256="cd" * 32,
        parameters=PARAMETERS,
        made_with={"torch": "2.14.1", "threads": 1},
    )


GITHUB = MarkdownIt("gfm-like", {"linkify": False})


def render(text: str) -> str:
    html: str = GITHUB.render(text)
    return html


class Cells(HTMLParser):
    """The texts of a page's table cells, and the names of all its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.elements: set[str] = set()
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.add(tag)
        self._inside = tag in {"td", "th"}
        if self._inside:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data.strip("\n")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"td", "th"}


def test_a_card_is_json_and_has_all_that_was_given() -> None:
    one = json.loads(json.dumps(written(), allow_nan=False))
    assert one["model"]["name"] == "trial_1"
    assert one["model"]["parameters"] == PARAMETERS
    assert one["model"]["made_with"] == {"torch": "2.14.1", "threads": 1}
    assert one["data"] == {
        "name": "mnist",
        "training_examples": 48_000,
        "validation_examples": 12_000,
        "sha256": "ab" * 32,
    }
    assert one["accuracies"] == {"training": 0.98, "validation": 0.975}
    assert one["assessment"] == ASSESSED.as_dict()
    assert one["training"]["optimizer"] == "adam"
    assert len(one["use"]["limits"]) == len(words.limits(USUAL))


def test_every_setting_of_the_spec_is_on_the_card() -> None:
    one = written()
    told = {*one["training"], *one["model"], "dataset"}
    assert set(TrainingSpec.model_fields) - FILING <= told
    assert not FILING & set(one["training"])


def test_the_quantiles_are_those_of_validation_images() -> None:
    told = written()["novelty"]
    assert told["distances"][0] == pytest.approx(np.median(ASSESSED.novelty.distances))
    assert told["entropies"] == sorted(told["entropies"])


def test_the_page_shows_what_the_card_says() -> None:
    page = Cells(render(markdown(written())))
    assert {"h1", "h2", "ul", "table"} <= page.elements
    assert page.cells[page.cells.index("label team") + 1] == "hand_writing - a.b"
    assert page.cells[page.cells.index("validation") + 1] == "97.50 %"
    assert page.cells[page.cells.index("optimizer") + 1] == "adam"
    assert page.cells[page.cells.index("early_stopping_patience") + 1] == "none"
    before, after = ASSESSED.before.brier_score, ASSESSED.after.brier_score
    place = page.cells.index("brier score")
    assert page.cells[place + 1 : place + 3] == [f"{before:.4f}", f"{after:.4f}"]
    for label, row in enumerate(ASSESSED.confusion):
        places = [number for number, cell in enumerate(page.cells) if cell == str(label)]
        assert any(page.cells[number + 1 : number + 11] == [str(count) for count in row] for number in places)


def test_a_class_without_examples_has_a_dash_for_its_recall() -> None:
    assert ASSESSED.classes[9].recall is None
    cells = Cells(render(markdown(written()))).cells
    places = [number for number, cell in enumerate(cells) if cell == "9"]
    assert any(cells[number + 1 : number + 4 : 2] == ["0", "-"] for number in places)


def test_a_network_without_a_name_has_a_page_too() -> None:
    one = written()
    one["model"]["name"], one["model"]["labels"] = None, {}
    assert "<h1>Model card: a network without a name</h1>" in render(markdown(one))


HOSTILE = [
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "![a](http://a.b/c.png)",
    "a | b",
    "`code`",
    "**bold** _it_ ~~gone~~",
    "a\n\n# b",
    "&lt;b&gt; &amp;",
    "<http://a.b>",
    "\\| \\",
    "a\u202eb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_user_wrote_shows_as_it_was_written(name: str) -> None:
    plain, hostile = written(), written(name)
    hostile["model"]["name"], hostile["model"]["labels"] = name, {name: name}
    page = Cells(render(markdown(hostile)))
    assert page.elements == Cells(render(markdown(plain))).elements
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    assert f"label {shown}" in page.cells
    assert shown in page.cells


@given(text=st.text(max_size=40))
def test_any_text_is_one_line_of_plain_text(text: str) -> None:
    html = render(f"x {escape(text)} x")
    inner = html.removeprefix("<p>x ").removesuffix(" x</p>\n")
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    assert "<" not in inner
    assert unescape(inner).split() == shown.split()


def test_a_network_that_was_not_named_is_called_as_its_model() -> None:
    data, unnamed = DataDescription("wine", 160, 40, "d" * 64), TrainingSpec(model="wine")
    made: dict[str, Any] = {"accuracies": {}, "epoch": 1, "weights_sha256": "e" * 64, "parameters": 1, "made_with": {}}
    assert write(unnamed, data, ASSESSED, **made)["model"]["name"] == "wine"
