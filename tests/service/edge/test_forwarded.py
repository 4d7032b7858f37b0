"""What is believed of X-Forwarded-*, and of whom."""

from typing import Any

import pytest

from service.edge.forwarded import Outside, Proxies
from service.errors import Malformed

DIRECT = Outside("10.0.0.9", "http", b"tenfold:8000", "")


def seen(*headers: tuple[str, str], peer: str = "10.0.0.9", trusted: str = "10.0.0.0/24", root: str = "") -> Outside:
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope: dict[str, Any] = {"client": (peer, 5), "scheme": "http", "headers": [(b"host", b"tenfold:8000"), *given]}
    return Proxies(trusted.split(), root).see(scope)


ALL = (
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "ml.example.com:8443"),
    ("X-Forwarded-Prefix", "/ml"),
)


def test_a_trusted_proxy_is_believed_and_nobody_else() -> None:
    outside = Outside("192.0.2.7", "https", b"ml.example.com:8443", "/ml")
    assert seen(*ALL) == outside
    assert seen(*ALL, peer="::ffff:10.0.0.9") == outside
    assert seen(*ALL, trusted="") == DIRECT
    assert seen(*ALL, peer="10.0.1.9") == DIRECT._replace(client="10.0.1.9")
    assert seen(*ALL, trusted="", root="/set") == DIRECT._replace(root="/set")
    assert seen(*((name, "\x7f<script>") for name, _ in ALL), trusted="") == DIRECT
    assert seen() == DIRECT
    assert seen(*((name, "") for name, _ in ALL)) == DIRECT


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("1.1.1.1,192.0.2.7 , 10.0.0.8", "192.0.2.7"),
        ("<nonsense>, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_on_the_way_back_names(said: str, client: str) -> None:
    assert seen(("X-Forwarded-For", said)).client == client


def test_several_headers_are_one_list() -> None:
    assert seen(("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "192.0.2.7")).client == "192.0.2.7"


@pytest.mark.parametrize(
    "said", ["unknown", "_hidden", '"192.0.2.7"', "192.0.2.7, ", "fe80::1%eth0", "1.2.3", "[::1", "for=1.1.1.1"]
)
def test_a_client_that_is_no_address_is_refused(said: str) -> None:
    with pytest.raises(Malformed, match="X-Forwarded-For"):
        seen(("X-Forwarded-For", said))


def test_what_a_client_says_before_its_proxy_appends_to_it_is_not_believed() -> None:
    hop = ("X-Forwarded-For", "1.1.1.1, 192.0.2.7")
    said = seen(hop, ("X-Forwarded-Proto", "https, http"), ("X-Forwarded-Host", "evil.example, ml.example.com"))
    assert (said.scheme, said.host) == ("http", b"ml.example.com")


def test_of_two_trusted_proxies_the_outer_one_knows_the_address() -> None:
    hop = ("X-Forwarded-For", "192.0.2.7, 10.0.0.8")
    appended = (("X-Forwarded-Proto", "http, https, http"), ("X-Forwarded-Host", "evil.example, ml.example.com, inner"))
    assert seen(hop, *appended) == Outside("192.0.2.7", "https", b"ml.example.com", "")
    replaced = (("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "ml.example.com"))
    assert seen(hop, *replaced) == Outside("192.0.2.7", "https", b"ml.example.com", "")


@pytest.mark.parametrize("said", ["ws", "javascript", '"https"', "https:", "https, ftp"])
def test_a_scheme_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(Malformed, match="X-Forwarded-Proto"):
        seen(("X-Forwarded-Proto", said))


@pytest.mark.parametrize(
    "said", ["ml.example.com/x", "a b", "ml.example.com:99999", '"ml.example.com"', "x@y", "<x>", "a\\b", "ml:x", "é"]
)
def test_a_host_with_odd_characters_is_refused_and_not_repeated(said: str) -> None:
    with pytest.raises(Malformed, match="X-Forwarded-Host") as refused:
        seen(("X-Forwarded-Host", said))
    assert said not in str(refused.value).removeprefix("X-Forwarded-Host")


@pytest.mark.parametrize(
    "said", ["ml", "/ml/", "/", "//evil.example", "/ml, /x", '/"', "/<x>", "/ml?x", "/a/../b", "/jobs", "/v2/x", "/é"]
)
def test_a_prefix_that_is_odd_is_refused(said: str) -> None:
    with pytest.raises(Malformed, match="X-Forwarded-Prefix"):
        seen(("X-Forwarded-Prefix", said))


def test_a_prefix_given_twice_or_other_than_the_setting_is_refused() -> None:
    with pytest.raises(Malformed, match="several times"):
        seen(("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b"))
    with pytest.raises(Malformed, match="TENFOLD_ROOT_PATH"):
        seen(("X-Forwarded-Prefix", "/a"), root="/ml")
    assert seen(("X-Forwarded-Prefix", "/ml"), root="/ml").root == "/ml"
    assert seen(root="/ml").root == "/ml"
