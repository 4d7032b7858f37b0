"""What Accept says is what is answered, as far as there is such a form."""

import pytest

from service.predict.negotiation import CSV, JSON, LINES, wished

ACCEPTED = [
    ("", JSON),
    ("*/*", JSON),
    ("text/html, application/xml;q=0.9", JSON),
    ("text/csv", CSV),
    ("Text/CSV; charset=utf-8", CSV),
    ("application/csv", CSV),
    ("application/x-ndjson", LINES),
    ("application/ndjson", LINES),
    ("application/json, text/csv;q=0.5", JSON),
    ("application/json;q=0.5, text/csv", CSV),
    ("text/csv, */*;q=0.1", CSV),
    ("text/csv;q=0", JSON),
    ("text/csv;q=x", JSON),
    ("application/json, application/x-ndjson", LINES),
    ("application/x-ndjson;q=0.1, text/csv;q=0.2", CSV),
]


@pytest.mark.parametrize(("accept", "form"), ACCEPTED)
def test_the_form_that_is_wished_most_is_answered(accept: str, form: str) -> None:
    assert wished(accept.encode()) == form
