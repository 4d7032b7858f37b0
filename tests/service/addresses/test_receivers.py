"""Where webhooks may lead: every address that is none of the public internet is refused, however it is written."""

from ipaddress import ip_address

import pytest

from service.addresses.receivers import Receivers, is_public, network, read

HERE = read("https://example.com/x")

INSIDE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.9.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "233.252.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "100::1",
    "2001:db8::1", "2001:2::1", "2001:10::1", "3fff::1", "5f00::1", "4000::1", "64:ff9b:1::808:808",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
    "2001:0:808:808:0:0:80ff:fffe",  # Teredo: of a client at 127.0.0.1
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00::1",
    "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_public_is_refused_alone_and_among_others(address: str) -> None:
    assert not is_public(ip_address(address))
    for found in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        assert "public internet" in str(Receivers([]).refusal(HERE, found))


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_that_is_public_may_be_dialled(address: str) -> None:
    assert is_public(ip_address(address))
    assert Receivers([]).refusal(HERE, [address, "8.8.8.8"]) is None


def test_only_https_on_its_port_is_asked_of_the_public_internet() -> None:
    for url in ("http://example.com/", "https://example.com:8443/", "http://example.com:443/"):
        assert "443" in str(Receivers(["10.0.0.0/8"]).refusal(read(url), ["8.8.8.8"]))


def test_what_is_allowed_besides_is_asked_by_any_scheme_and_on_any_port() -> None:
    receivers = Receivers(["10.1.0.0/16", "fd00::/8"])
    for url in ("http://ci:8080/", "https://ci:8443/", "https://ci/"):
        assert receivers.refusal(read(url), ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]) is None
        assert receivers.refusal(read(url), ["10.1.2.3", "10.2.2.3"]) is not None
    assert receivers.refusal(read("https://ci/"), ["10.1.2.3", "8.8.8.8"]) is None
    assert receivers.refusal(read("http://ci/"), ["10.1.2.3", "8.8.8.8"]) is not None
    assert receivers.refusal(read("https://ci/"), ["64:ff9b::10.1.2.3"]) is not None, "who translates it is unknown"
    assert receivers.refusal(read("https://ci/"), ["fe80::1%eth0"]) is not None


@pytest.mark.parametrize(
    ("url", "allowed", "why"),
    [
        ("https://127.0.0.1/x", (), "public internet"),
        ("https://[::1]/x", (), "public internet"),
        ("https://[::ffff:10.0.0.1]/x", (), "public internet"),
        ("https://2130706433/x", (), "no address"),
        ("https://127.1/x", (), "no address"),
        ("http://example.com/x", (), "443"),
        ("https://example.com:444/x", (), "443"),
        ("http://8.8.8.8/x", ("10.0.0.0/8",), "443"),
        ("http://example.com/x", ("10.0.0.0/8",), None),
        ("https://example.com/x", (), None),
        ("https://8.8.8.8/x", (), None),
        ("https://[2606:4700::1111]/x", (), None),
    ],
)
def test_what_can_be_told_of_a_url_is_told_before_it_is_asked(
    url: str, allowed: tuple[str, ...], why: str | None
) -> None:
    said = Receivers(allowed).refusal_of_url(read(url))
    assert said is None if why is None else why in str(said)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://user:secret@example.com/x", "cannot stand in it"),
        ("https://user@example.com/x", "cannot stand in it"),
        ("https://example.com/x#y", "#"),
        ("https://example.com/x#", "#"),
        ("ftp://example.com/x", "https://example.com"),
        ("file:///etc/passwd", "https://example.com"),
        ("//example.com/x", "https://example.com"),
        ("https:///x", "https://example.com"),
        ("https://:443/x", "https://example.com"),
        ("https://example.com:0/x", "https://example.com"),
        ("https://example.com:99999/x", "no URL"),
        ("https://[::1/x", "no URL"),
        ("https://ex ample.com/", "%XX"),
        ("https://example.com\\@evil.example/", "%XX"),
        ("https://exämple.com/", "xn--"),
        ("https://example.com/\r\nHost: evil", "%XX"),
        ("https://example.com/\0", "%XX"),
        ("https://example.com/" + "x" * 2048, "2,048"),
    ],
)
def test_what_is_no_url_of_a_webhook_is_refused_with_what_to_write(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("[", r"\[")):
        read(url)


def test_a_url_is_read_as_it_is_dialled() -> None:
    assert read("https://Example.com/x") == ("https", "example.com", 443)
    assert read("http://[fd00::1]:8080/x").authority == "[fd00::1]:8080"
    assert read("https://example.com:443/x").authority == "example.com"


@pytest.mark.parametrize("given", ["10.1.0.0/16", " 127.0.0.1", "fd00::/8"])
def test_a_network_may_be_allowed(given: str) -> None:
    assert network(given).startswith(given.strip())


@pytest.mark.parametrize("given", ["*", "localhost", "10.0.0.1/24", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104"])
def test_what_is_no_network_or_every_one_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"10\.|IPv4"):
        network(given)
