"""What the served document allows, and what it does not, is answered as the document says; the same in every run."""

from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from service.errors import PROTOCOLS
from service.store.store import Store
from tests.fuzz import CONFIG, media_types
from tests.service.conftest import submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is answered does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_the_served_document_is_a_valid_one(api: TestClient) -> None:
    validate(api.get("/openapi.json").json())


assert media_types, "what is registered there is known here"


@pytest.fixture
def document(api: TestClient, store: Store) -> Any:
    submit(store, dataset="digits", epochs=1)
    config = schemathesis.Config.from_path(CONFIG)
    return schemathesis.openapi.from_asgi("/openapi.json", api.app, config=config, headers={"Host": "localhost"})


@pytest.mark.parametrize(("mode", "examples"), [(GenerationMode.POSITIVE, 2), (GenerationMode.NEGATIVE, 2)])
def test_every_route_answers_as_it_says(document: Any, mode: GenerationMode, examples: int) -> None:
    wrong = {}
    for found in document.get_all_operations():
        operation = found.ok()
        if mode.is_negative and operation.path.startswith(PROTOCOLS):
            continue  # their names may be anything: it takes seconds to find that nothing is wrong
        try:
            asked(operation.as_strategy(generation_mode=mode), examples)
        except Unsatisfiable:
            assert mode.is_negative  # of what takes nothing, nothing can be wrong
        except FailureGroup as failures:
            wrong[operation.label] = str(failures)
    assert wrong == {}


def asked(cases: SearchStrategy[Any], examples: int) -> None:
    @given(case=cases)
    @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"Host": "localhost"})

    ask()
