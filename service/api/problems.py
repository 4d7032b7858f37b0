"""Errors on the wire: how they look, and which of them a route says it may answer."""

from typing import Any

from pydantic import BaseModel, Field

from service.errors import MEDIA_TYPE


class FaultView(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(examples=["/learning_rate"])
    detail: str = Field(examples=["Input should be greater than 0"])
    where: str | None = Field(default=None, description="Of a file of data: its line, row, column or member.")
    remedy: str | None = Field(default=None, description="Of a file of data: what to do.")


class ProblemView(BaseModel):
    """An error, as RFC 9457 has it (`application/problem+json`)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["learning_rate: Input should be greater than 0"])
    instance: str = Field(examples=["/jobs"])
    violated_policies: list[str] | None = Field(
        default=None,
        alias="violated-policies",
        description="Of 429 and 507 because of what the account may take: which of its quotas, or rates, by name.",
    )
    errors: list[FaultView] = Field(
        default=[], description="The fields that are wrong, at most ten; of a file, twenty faults."
    )


class ProtocolProblemView(ProblemView):
    """An error for clients of other model servers, who read `error`, and take only `application/json`."""

    error: str = Field(examples=["there is no model called 'x'"])


def problems(*statuses: int, media_type: str = MEDIA_TYPE) -> dict[int | str, dict[str, Any]]:
    """Declare the errors of a route for OpenAPI."""
    view = ProblemView if media_type == MEDIA_TYPE else ProtocolProblemView
    content: dict[str, Any] = {media_type: {"schema": {"$ref": f"#/components/schemas/{view.__name__}"}}}
    return {status: {"description": _MEANING[status], "content": content} for status in statuses}


_MEANING = {
    400: "The body, or a header, could not be read.",
    401: "It takes a key, and none that is good was shown; only where keys are asked for.",
    403: "The request came from another web site, or the key was not made for this.",
    404: "Nothing of that name.",
    409: "The state of something does not allow it.",
    412: "It has been changed since the client looked, or is there already; of uploads: another version of tus.",
    413: "The body is too large.",
    415: "The body is of a kind that is not understood here.",
    416: "The file has no such bytes; `Content-Range` tells its size.",
    422: "The request asks for something impossible; `errors` point to the fields.",
    423: "Another request is at it; come again after `Retry-After` seconds.",
    429: "Too much is waiting already; come again after `Retry-After` seconds.",
    460: "The checksum is another than that of the body; nothing of it was kept.",
    500: "A file is not as it was written, or gone; `tenfold doctor` names it.",
    503: "Come again after `Retry-After` seconds.",
    507: "There is too little free on the disk; the detail says how much, and what may be deleted.",
}
