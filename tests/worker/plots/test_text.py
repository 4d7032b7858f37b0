"""Names that anybody may have written, in the room that there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.plots.lettering import drawable, fitted, folded, names, width
from worker.plots.style import SMALL


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Größe", "Größe"),
        ("Ωμέγα", "Ωμέγα"),
        ("お", "«o»"),
        ("日本", "«U+65E5 U+672C»"),
        ("한국 3", "«han gug» 3"),
        ("🙂", "«slightly smiling face»"),
        ("a\nb\u202e", "a b"),
    ],
)
def test_what_the_font_lacks_is_spelt_out(name: str, written: str) -> None:
    assert drawable(name) == written


@given(st.text(), st.integers(1, 40), st.integers(1, 4))
def test_a_folded_label_has_no_more_lines_than_it_may(label: str, width: int, lines: int) -> None:
    written = folded(label, width, lines).split("\n")
    assert 1 <= len(written) <= lines
    assert max(map(len, written)) <= max(width, 6)
    assert all(written)


@given(st.text(min_size=1), st.floats(0.5, 3))
def test_a_fitted_line_is_no_wider_than_it_may(text: str, inches: float) -> None:
    line = fitted(text, inches, SMALL)
    assert line
    assert width(line, SMALL) <= inches


def test_names_that_would_look_the_same_are_told_apart() -> None:
    assert names(["a" * 50 + "1", "a" * 50 + "2"], 0.8, SMALL) == ["…aaaaaaa1", "…aaaaaaa2"]
    alike = [f"{'a' * 50}{letter}{'a' * 50}" for letter in "xyz"]
    assert [name.rpartition(" ")[2] for name in names(alike, 0.8, SMALL)] == ["#0", "#1", "#2"]
    assert names(["お", "オ", "b"], 2, SMALL) == ["«o» #0", "«o» #1", "b"]
