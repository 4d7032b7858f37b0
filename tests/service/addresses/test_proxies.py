"""Proxies, and the path that they put before ours."""

from pathlib import Path

import pytest

from service.addresses.proxies import FIRST_WORDS, root, trusted
from service.api.app import create_app
from service.settings import Settings


@pytest.mark.parametrize("given", ["127.0.0.1", "10.1.0.0/24", "::1", "fd00::/8", " 10.0.0.1 "])
def test_an_address_or_a_network_can_be_trusted(given: str) -> None:
    assert trusted(given) == given.strip()


@pytest.mark.parametrize("given", ["*", "localhost", "10.0.0.1/24", "0.0.0.0/0", "::/0", "10.0.0", "unix:/x", "1"])
def test_what_would_trust_nobody_or_everybody_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/24"):
        trusted(given)


@pytest.mark.parametrize("given", ["", "/ml", "/a/b-c/d_e.f~", "/jobs2", "/.well-known/ml"])
def test_a_path_can_stand_before_ours(given: str) -> None:
    assert root(given) == given


@pytest.mark.parametrize(
    "given",
    [
        *("ml", "/", "/ml/", "//ml", "/ml//x", "/../x", "/ml/..", "/./x", "/ml?x", "/ml#x", "/m l", "/m%6c"),
        *("/ml\n", "/<x>", "https://x/ml", "//evil.example", "/é", "/\\evil.example", "/" + "x" * 300, "/jobs"),
        *("/v2/ml", "/static", "/docs"),
    ],
)
def test_a_path_that_is_odd_or_begins_as_one_of_ours_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="/ml"):
        root(given)


def test_the_first_words_of_all_our_paths_are_known(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path))
    paths = {*app.openapi()["paths"], *(getattr(route, "path", "/") for route in app.routes)}
    assert {path.split("/")[1] for path in paths} - {""} == FIRST_WORDS
