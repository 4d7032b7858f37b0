"""Web sites whose pages may use the API, as the settings name them: exactly as browsers send them in Origin."""

from urllib.parse import urlsplit

PORTS = {"http": ":80", "https": ":443"}
"""Those that browsers leave out, by scheme."""


def allowed(given: str) -> str:
    """Give an origin as browsers send it. Raises ValueError, saying what to write instead."""
    origin = given.strip()
    if origin in {"*", "null"}:
        raise ValueError(f"{origin} would allow pages that nobody knows; name each site, as https://lab.example.com")
    try:
        parts = urlsplit(origin)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or not origin.isascii():
        raise ValueError(f"{origin!a} is no origin; write it as https://lab.example.com or http://localhost:3000")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if origin != (sent := f"{parts.scheme}://{name}{port if port != PORTS[parts.scheme] else ''}"):
        raise ValueError(f"{origin!r} is not what browsers send; write {sent}")
    return origin
