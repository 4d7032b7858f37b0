"""Lines of JSON (https://github.com/ndjson/ndjson-spec), one example each, as they stand in the body."""

from collections.abc import Iterator

from service.predict.inputs.csv.sheet import refused

LONGEST_ROW = 2**20
"""Bytes of a row of a table in one line."""


def lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the lines and their numbers, from 1; blank ones are let pass at the end alone; raises Invalid."""
    start, number, blank = 0, 0, 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        number += 1
        line = body[start:end]
        start = end + 1
        if not line.strip():
            blank = blank or number
        elif blank:
            raise refused(blank, "the line is blank, and answers are to go with lines", "leave out blank lines")
        else:
            yield number, line
