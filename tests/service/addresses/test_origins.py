"""Sites whose pages may use the API."""

import pytest

from service.addresses.origins import allowed


@pytest.mark.parametrize(
    "origin", ["https://lab.example.com", "http://localhost:3000", "https://[::1]:8443", "http://x:443", " https://a "]
)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    assert allowed(origin) == origin.strip()


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("https://lab.example.com/", "write https://lab.example.com"),
        ("https://Lab.example.com", "write https://lab.example.com"),
        ("HTTPS://lab.example.com", "write https://lab.example.com"),
        ("https://lab.example.com:443", "write https://lab.example.com"),
        ("http://lab.example.com:80/page?x#y", "write http://lab.example.com"),
        ("https://lab.example.com:", "write https://lab.example.com"),
        ("*", "name each site"),
        ("null", "name each site"),
        ("lab.example.com", "write it as https://"),
        ("lab.example.com:3000", "write it as https://"),
        ("https://", "write it as https://"),
        ("https://a@lab.example.com", "write it as https://"),
        ("https://lab.example.com:99999", "write it as https://"),
        ("http://[", "write it as https://"),
        ("https://bücher.example", "write it as https://"),
        ("ftp://lab.example.com", "write it as https://"),
    ],
)
def test_what_no_browser_sends_is_refused_with_the_remedy(given: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy.replace("[", r"\[")):
        allowed(given)
