"""What a web page of somebody else, open in the browser of whoever runs Tenfold, must not be able to do."""

from collections.abc import Collection

from starlette.datastructures import Headers

from service.addresses.origins import PORTS

Header = tuple[bytes, bytes]
"""Of a message of ASGI."""

CAREFUL: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What tells browsers to be careful, unless a route says otherwise."""


def is_from_another_site(headers: Headers, *, scheme: str, host: str, allowed: Collection[str]) -> bool:
    """Whether a request comes from a page that is neither ours nor of an allowed origin.

    Browsers tell where a request comes from by Sec-Fetch-Site, on loopback and HTTPS, and by Origin, unless it is a
    plain GET (https://www.w3.org/TR/fetch-metadata/); other clients send neither and are not concerned. `scheme` and
    `host` are ours, as the browser sees them.
    """
    site = ", ".join(headers.getlist("sec-fetch-site"))
    if site in {"same-origin", "none"}:
        return False
    if "origin" not in headers:
        return site != ""
    origin = ", ".join(headers.getlist("origin"))
    return origin != f"{scheme}://{host.lower().removesuffix(PORTS[scheme])}" and origin not in allowed
