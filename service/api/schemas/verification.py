"""What a job that verifies another has found, and why: what was not the same when the other was trained."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, Field

from service.store.states import Job as JobRow


class MadeWith(BaseModel):
    """What the weights of a job depend on beside its spec."""

    data_sha256: str = Field(description="Digest of the data set's pixels and labels, as its description has it.")
    versions: dict[str, str] = Field(examples=[{"tenfold": "0.1.0", "torch": "2.14.1"}])
    fingerprint: dict[str, str | int] = Field(
        description="Device, version of torch, instructions of the processor, threads.",
        examples=[{"device": "cpu", "torch": "2.14.1", "cpu_capability": "AVX2", "threads": 1}],
    )
    processor: str = Field(description="What the processor calls itself.", examples=["AMD EPYC 7B13"])


def verified(row: JobRow) -> bool | None:
    """Whether a job that verifies another ended with equal weights; None for other jobs, and until it has ended."""
    if row.origin is None or row.origin["kind"] != "verify" or row.state != "succeeded":
        return None
    made_with = row.result.get("made_with") or {}
    # The second is that of the same weights as files of before told of them.
    return row.origin["weights_sha256"] in {row.weights_sha256, made_with.get("weights_sha256_before")}


def unverified_because(row: JobRow) -> str | None:
    """Say what was not the same as when the other job was trained, if this one ended with other weights."""
    if verified(row) is not False:
        return None
    then, now = row.origin.get("made_with"), row.result.get("made_with")
    if then is None or now is None:
        return "the weights differ; what the other job was trained with is not on record"
    found = list(_differences(then, now, row.spec["dataset"]))
    if not row.bit_identical:
        found.append("this job went on under other circumstances than it began (bit_identical)")
    if found:
        return f"the weights differ, and so did what they were trained with: {'; '.join(found)}"
    return (
        "the weights differ, although data, versions, processor and threads are the same: the other job may have gone "
        "on under other circumstances (its bit_identical says so), or memory or a processor is faulty; verify it again"
    )


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], dataset: str) -> Iterator[str]:
    if then["data_sha256"] != now["data_sha256"]:
        digests = f"its digest was {then['data_sha256']} and is {now['data_sha256']}"
        yield f"the data set {dataset!r} has changed: {digests}"
    before = {**then["versions"], **then["fingerprint"], "processor": then["processor"]}
    after = {**now["versions"], **now["fingerprint"], "processor": now["processor"]}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name} was {before.get(name)} and is {after.get(name)}"
