"""What can go wrong on the way to an answer, and how it is told: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457.

Problem
+-- Malformed             400  the body could not be parsed
+-- Unauthorized          401  no key that is good, where one is asked for
+-- Forbidden             403  a page of another site asks for it, or a key that was not made for it
+-- NotFound              404  nothing of that name
+-- Conflict              409  the state of something does not allow it
+-- PreconditionFailed    412  it has been changed since the client looked
+-- TooLarge              413  the body is larger than the route allows
+-- UnsupportedMedia      415  the body is of a kind that is not understood here
+-- Invalid               422  the body was parsed, and asks for something impossible
+-- Locked                423  somebody else is at it
+-- TooMuch               429  more is waiting than can be answered soon
+-- WrongChecksum         460  the body is not what its sender says it is; a status of tus
+-- Damaged               500  a file that we keep is not what we wrote
+-- NotYet                503  come again in a moment
+-- NoRoom                507  what was sent or asked for does not fit on the disk
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar

from service.edge.links import link


@dataclass(frozen=True)
class Fault:
    """One field that is wrong: where it stands in the body (RFC 6901 pointer, or "#query/limit"), and what is wrong.

    Of a file of data, `where` is its line, row, column or member, and `remedy` says what to do.
    """

    pointer: str
    detail: str
    where: str | None = None
    remedy: str | None = None

    def document(self) -> dict[str, str]:
        """Give it as a problem has it."""
        more = {"where": self.where, "remedy": self.remedy}
        told = {name: _bounded(value) for name, value in more.items() if value is not None}
        return {"pointer": self.pointer, "detail": _bounded(self.detail), **told}


class Problem(Exception):  # noqa: N818 - the standard calls it a problem, whoever is to blame
    """An error whose message is meant for whoever sent the request."""

    status: ClassVar[int] = 500
    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        retry_after: int | None = None,
        members: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail)
        self.members = members
        self.detail = detail
        self.faults = faults
        self.retry_after = retry_after

    @property
    def about(self) -> dict[str, str]:
        """Give the headers that say more beside it."""
        return {**self.headers, **({} if self.retry_after is None else {"Retry-After": str(self.retry_after)})}


class Malformed(Problem):
    """The body could not be parsed."""

    status = 400


class Unauthorized(Problem):
    """It takes a key, and none that is good was shown."""

    status = 401
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="tenfold"'})


class Forbidden(Problem):
    """It may be asked for, but not by a page of another site, or not by a key that was not made for it."""

    status = 403


class NotFound(Problem):
    """Nothing of that name is there."""

    status = 404


class Conflict(Problem):
    """The state of something does not allow what was asked for."""

    status = 409


class PreconditionFailed(Problem):
    """What If-Match or If-None-Match asked for does not hold."""

    status = 412


class TooLarge(Problem):
    """The body is larger than the route allows."""

    status = 413


class UnsupportedMedia(Problem):
    """The body is of a kind that is not understood here."""

    status = 415


class Invalid(Problem):
    """The body was understood, and asks for something impossible."""

    status = 422


class Locked(Problem):
    """Somebody else is at it."""

    status = 423


class WrongChecksum(Problem):
    """The body is not what its sender says it is."""

    status = 460


class TooMuch(Problem):
    """More is waiting than can be answered soon."""

    status = 429


class Damaged(Problem):
    """A file that we keep is not what we wrote."""

    status = 500


class NotYet(Problem):
    """What was asked for is not there yet, or what it needs does not answer; trying again helps."""

    status = 503


class NoRoom(Problem):
    """What was sent or asked for does not fit on the disk, or would leave too little for what is under way."""

    status = 507


MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 10
MAX_FAULTS_OF_DATA = 20
LONGEST_DETAIL = 2_000
"""Letters of an error: longer ones repeat at length what was sent."""

_OF_TUS = {460: "Checksum Mismatch"}
"""What a status is called that no RFC has."""

TOO_LARGE = "the body is larger than this route allows; send less at once"
_TOO_LARGE_FILE = (
    "the file is larger than TENFOLD_MAX_UPLOAD_BYTES allows, as OPTIONS /uploads tells in Tus-Max-Size; divide it, "
    "and send all but the first part with append=true"
)
_OF_FILES = {"/datasets", "/datasets/preview"}


def reworded(detail: str, path: str) -> str:
    """Give what to tell of a body that FastAPI found too large on a path, and any other detail as it is."""
    if detail != "Content Too Large":
        return detail
    return _TOO_LARGE_FILE if path in _OF_FILES else TOO_LARGE


def exceeded(policy: str) -> dict[str, Any]:
    """Give the members of a problem that is one of a quota, or a rate, by its name.

    https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.html
    """
    return {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Quota exceeded",
        "violated-policies": [policy],
    }


def document(
    status: int,
    detail: str,
    instance: str,
    faults: Sequence[Fault] = (),
    members: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Give the problem document: the members of RFC 9457, and `errors` with a pointer to each field that is wrong.

    `instance` is the path that was asked for, as our routes have it; `members` are those of the kind of problem.
    """
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": _OF_TUS.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": _bounded(detail),
        "instance": link(instance),
        **members,
    }
    if faults:
        most = MAX_FAULTS if faults[0].where is None else MAX_FAULTS_OF_DATA
        problem["errors"] = [fault.document() for fault in faults[:most]]
    return problem


def _bounded(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}..."


PROTOCOLS = ("/v2", "/v1", "/invocations", "/ping")
"""First words of the routes that answer as other model servers do, and of their errors."""


def rendered(
    status: int,
    detail: str,
    path: str,
    faults: Sequence[Fault] = (),
    members: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[int, dict[str, Any], str]:
    """Give status, document and media type of an error, as the clients of its route understand it.

    Clients of other model servers read `error`, of exactly `application/json`, and know neither 422 nor 409.
    """
    if not path.startswith(PROTOCOLS) or path[: (path + "/").index("/", 1)] not in PROTOCOLS:
        return status, document(status, detail, path, faults, members), MEDIA_TYPE
    status = {409: 503, 422: 400}.get(status, status)
    told = document(status, detail, path, faults, members)
    return status, {"error": _bounded(detail), **told}, "application/json"


def pointer(location: Sequence[str | int]) -> str:
    """Write where Pydantic found a fault: RFC 6901 for fields of the body, "#place/name" for other places."""
    place, *path = location
    escaped = "/".join(f"{part:.100}".replace("~", "~0").replace("/", "~1") for part in map(str, path))
    return f"/{escaped}" if place == "body" and path else "" if place == "body" else f"#{place}/{escaped}"


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Word what Pydantic found wrong with a request."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Malformed("the body is no valid JSON")
    # A list with a wrong member is said to be too short as well: only those that are right were counted.
    parents = {tuple(error["loc"][:-1]) for error in errors}
    errors = [error for error in errors if error["type"] != "too_short" or tuple(error["loc"]) not in parents]
    faults = [Fault(pointer(error["loc"]), sentence(error)) for error in errors[:MAX_FAULTS]]
    summary = "; ".join(f"{_name(error['loc'])}: {sentence(error)}" for error in errors[:3])
    if len(errors) > MAX_FAULTS:
        summary += f"; and {len(errors) - 3:,} more"
    return Invalid(summary, faults=faults)


def _name(location: Sequence[str | int]) -> str:
    return ".".join(f"{part:.100}" for part in map(str, location[1:])) or str(location[0])


def sentence(fault: Mapping[str, Any]) -> str:
    """Say what Pydantic found wrong, in words that help whoever sent it."""
    if fault["type"] == "extra_forbidden":
        return "there is no field of this name; /docs lists those that are"
    if fault["type"] == "missing" and fault["loc"][0] == "query":
        return f"this is missing; say it in the address, as ?{fault['loc'][-1]}=..."
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")[:500]
