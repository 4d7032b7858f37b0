"""How servers of models did beside each other, as a table, and what that says of the claims."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.figures import spread, verdict
from bench.load import Load
from bench.ours import BYTES, JSON

RATE, P99, RAW_RATE, P50_ALONE = 9_000, 10.0, 13_000, 0.35
TIMES = {"MLServer": 5, "LitServe": 7, "BentoML": 7, "KServe": 7}
MEGABYTES, COLD_SECONDS = 150, 1.0
CLAIMED_AT, ALONE = 32, 1
"""Connections."""


@dataclass(eq=False)
class Standing:
    """What was measured of a server in one form, a value for each round."""

    version: str
    loads: dict[int, list[Load]] = field(default_factory=lambda: defaultdict(list))
    """By connections."""
    megabytes: list[float] = field(default_factory=list)
    cold_seconds: list[float] = field(default_factory=list)
    remark: str = ""
    """Why nothing, or nothing more, was measured."""

    def rates(self, connections: int) -> list[float]:
        """Requests a second."""
        return [each.rate for each in self.loads.get(connections, [])]

    @property
    def errors(self) -> int:
        """In all rounds, at all numbers of connections."""
        return sum(each.errors for loads in self.loads.values() for each in loads)


Standings = Mapping[str, Standing]


def ratios(standings: Standings, name: str, connections: int) -> list[float]:
    """How many times as often as this one we answered, in the same rounds."""
    return [
        ours / theirs
        for ours, theirs in zip(standings[JSON].rates(connections), standings[name].rates(connections), strict=False)
        if theirs
    ]


def print_table(standings: Standings, connections: Sequence[int]) -> None:
    """Print all that was measured, the fastest first, and what was not."""
    at = CLAIMED_AT if CLAIMED_AT in connections else connections[-1]
    measured = [name for name, standing in standings.items() if standing.rates(at)]
    measured.sort(key=lambda name: -median(standings[name].rates(at)))
    heads = [f"c = {number}" for number in connections]
    print("\nrequests a second at c connections; median (least to greatest)")
    print(" " * 34 + "".join(f"{head:24}" for head in heads))
    for name in measured:
        cells = [spread(standings[name].rates(number), 0) for number in connections]
        print(f"  {name:32}" + "".join(f"{cell:24}" for cell in cells))
    print("\nmilliseconds until the answer, p50 / p99; medians of the rounds")
    print(" " * 34 + "".join(f"{head:24}" for head in heads))
    for name in measured:
        cells = [
            " / ".join(f"{median(values):.2f}" for values in zip(*((it.p50, it.p99) for it in loads), strict=True))
            for loads in (standings[name].loads[number] for number in connections)
        ]
        print(f"  {name:32}" + "".join(f"{cell:24}" for cell in cells))
    print(f"\n{'':34}{'version':10}{'errors':>8}{'MB':>9}{'start, s':>11}   ours, times theirs at c = {at}")
    for name in measured:
        it, times = standings[name], ratios(standings, name, at)
        print(
            f"  {name:32}{it.version:10}{it.errors:>8}{median(it.megabytes):>9.0f}{median(it.cold_seconds):>11.2f}"
            f"   {spread(times) if times else '-'}"
        )
    for name, standing in standings.items():
        if standing.remark:
            print(f"  {name}: {standing.remark}")


def print_claims(standings: Standings) -> None:
    """Say of each claim whether it is met, not met or was not tested."""
    ours, raw = standings[JSON], standings[BYTES]
    print()
    loads = ours.loads.get(CLAIMED_AT, [])
    _say(f"at least {RATE:,} requests a second at c = {CLAIMED_AT}", ours.rates(CLAIMED_AT), at_least=RATE)
    _say(f"p99 at c = {CLAIMED_AT} of {P99:g} ms at most", [each.p99 for each in loads], at_most=P99)
    for rival, least in TIMES.items():
        modes = [name for name in standings if name.startswith(rival) and standings[name].rates(CLAIMED_AT)]
        best = max(modes, key=lambda name: median(standings[name].rates(CLAIMED_AT)), default=None)
        values = ratios(standings, best, CLAIMED_AT) if best else []
        _say(f"at least {least:g} times as many as {best or rival} at c = {CLAIMED_AT}", values, at_least=least)
    alone = [each.p50 for each in ours.loads.get(ALONE, [])]
    _say(f"p50 at c = {ALONE} of {P50_ALONE:g} ms at most", alone, at_most=P50_ALONE)
    text = f"at least {RAW_RATE:,} requests of raw bytes a second at c = {CLAIMED_AT}"
    _say(text, raw.rates(CLAIMED_AT), at_least=RAW_RATE)
    _say(f"at most {MEGABYTES} MB resident", ours.megabytes, at_most=MEGABYTES)
    _say(f"the first right answer within {COLD_SECONDS:g} s of the start", ours.cold_seconds, at_most=COLD_SECONDS)


def _say(claim: str, values: Sequence[float], **bounds: float) -> None:
    if values:
        print(f"{verdict(claim, values, **bounds)}: {spread(values)}")
    else:
        print(f"claim not tested: {claim}")
