import importlib

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.plots.pictures import pixels
from worker.plots import style
from worker.plots.style import notice


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


def test_characters_that_the_font_lacks_are_spelt_out_and_not_boxes() -> None:
    assert draw_notice("数") == draw_notice("«U+6570»") != draw_notice("□")


def test_a_dollar_sign_in_a_title_is_no_mathematics() -> None:
    assert draw_notice(r"$\frac{") != draw_notice("")
    assert draw_notice("$x$") != draw_notice("$ x $")


@settings(max_examples=30)
@given(st.text())
def test_any_title_can_be_drawn(title: str) -> None:
    assert draw_notice(title).startswith(b"\x89PNG")
