"""Hosts as people write them into settings, and what they had better write."""

import pytest

from service.addresses import hosts


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("localhost", "localhost"),
        (" ML.Example.com ", "ml.example.com"),
        ("*", "*"),
        ("*.example.com", "*.example.com"),
        ("my_service", "my_service"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("0:0:0:0:0:0:0:1", "[::1]"),
        ("[2001:DB8::0:1]", "[2001:db8::1]"),
    ],
)
def test_a_name_is_taken_as_requests_carry_it(given: str, host: str) -> None:
    assert hosts.allowed(given) == host


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("ml.example.com:8000", "write ml.example.com"),
        ("http://ml.example.com", "write ml.example.com"),
        ("https://ml.example.com:443/path?x=1", "write ml.example.com"),
        ("somebody@ml.example.com", "write ml.example.com"),
        ("ml.example.com.", "write ml.example.com"),
        ("'ml.example.com'", "write ml.example.com"),
        ("*.example.com:8000", "write *.example.com"),
        ("[::1]:8000", "write [::1]"),
        ("b\u00fccher.example", "write xn--bcher-kva.example"),
    ],
)
def test_more_than_a_name_is_refused_and_the_name_is_told(given: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is not the name alone") as refused:
        hosts.allowed(given)
    assert str(refused.value).endswith(remedy)


@pytest.mark.parametrize("given", ["a b", "*example.com", "a*b", "a;b", "-a", "a..b", "", "x" * 300, "[::1", "\u2028"])
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not the name alone"):
        hosts.allowed(given)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("localhost", "localhost"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_address_to_listen_on_has_no_brackets(given: str, address: str) -> None:
    assert hosts.listened_on(given) == address


@pytest.mark.parametrize("given", ["http://0.0.0.0", "0.0.0.0:8000", "*", "/run/tenfold.sock", "a b"])
def test_what_is_no_address_to_listen_on_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not an address of this machine"):
        hosts.listened_on(given)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"LocalHost:8000", b"localhost"),
        (b"[::1]:80", b"[::1]"),
        (b"a" * 253, b"a" * 253),
        (b"a" * 300, None),
        (b"localhost:65536", None),
        (b"local host", None),
        (b"", None),
    ],
)
def test_the_name_in_a_host_is_found_and_what_is_none_is_not_kept(host: bytes, name: bytes | None) -> None:
    assert hosts.name_of(host) == name
