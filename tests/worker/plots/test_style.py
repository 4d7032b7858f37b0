import importlib

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.plots.pictures import pixels
from worker.plots import style
from worker.plots.style import folded, notice


def draw_notice(title: str) -> bytes:
    return notice("nothing yet", title)


def test_a_matplotlibrc_of_somebody_else_changes_no_picture() -> None:
    picture = draw_notice("title")
    # What Matplotlib has found somewhere when it is loaded.
    with matplotlib.rc_context({"text.usetex": True, "font.size": 40, "savefig.dpi": 10, "axes.facecolor": "black"}):
        importlib.reload(style)
        assert draw_notice("title") == picture


def test_a_title_is_cut_to_80_characters() -> None:
    assert draw_notice("a" * 80 + "b") == draw_notice("a" * 80 + "c")
    assert draw_notice("a" * 79 + "b") != draw_notice("a" * 79 + "c")


def test_a_wide_title_stays_within_the_picture() -> None:
    picture = pixels(draw_notice("W" * 80))
    assert (picture[:, :45] == 255).all()
    assert (picture[:, -45:] == 255).all()
    assert (picture[:100] < 100).any()


@pytest.mark.parametrize("control", ["\n", "\t", "\x00", "\x7f", "\u202e", "\u2028", "\ud800"], ids=ascii)
def test_a_control_character_in_a_title_is_a_space(control: str) -> None:
    assert draw_notice(f"a{control}b") == draw_notice("a b")


def test_a_character_that_the_font_lacks_is_a_box() -> None:
    assert draw_notice("数") == draw_notice("🙂") == draw_notice("□") != draw_notice("")


def test_a_dollar_sign_in_a_title_is_no_mathematics() -> None:
    assert draw_notice(r"$\frac{") != draw_notice("")
    assert draw_notice("$x$") != draw_notice("$ x $")


@settings(max_examples=30)
@given(st.text())
def test_any_title_can_be_drawn(title: str) -> None:
    assert draw_notice(title).startswith(b"\x89PNG")


@given(st.text(), st.integers(1, 40), st.integers(1, 4))
def test_a_folded_label_has_no_more_lines_than_it_may(label: str, width: int, lines: int) -> None:
    written = folded(label, width, lines).split("\n")
    assert 1 <= len(written) <= lines
    assert max(map(len, written)) <= max(width, 6)
    assert all(written)
