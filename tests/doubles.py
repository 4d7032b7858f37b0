"""Stand-ins, for what must not happen for real in a test: a bell that is heard, time that passes."""


class Bell:
    """A doorbell that notes for whom it was rung; `waiting` rings lie unheard at its broker."""

    def __init__(self, waiting: int | None = 0) -> None:
        self.rung: list[str] = []
        self.waiting = waiting

    def ring(self, job_ids: list[str]) -> bool:
        self.rung += job_ids
        return self.waiting is not None

    def rings_waiting(self) -> int | None:
        return self.waiting

    def ring_for_readings(self, versions: list[tuple[str, str, int]]) -> bool:
        self.rung += [f"{name}/{number}" for _, name, number in versions]
        return self.waiting is not None

    def readings_waiting(self) -> int | None:
        return self.waiting


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
