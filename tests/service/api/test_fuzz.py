"""What the served document allows, and what it does not, is answered as the document says; the same in every run."""

from collections.abc import Callable, Iterator
from functools import partial
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

from service.access.scopes import SCOPES
from service.errors import PROTOCOLS
from service.settings import Settings
from service.store.store import Store
from tests.fuzz import CONFIG, media_types
from tests.service.conftest import fresh_app, submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is answered does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_the_served_document_is_a_valid_one(api: TestClient) -> None:
    validate(api.get("/openapi.json").json())


assert media_types, "what is registered there is known here"


def described(client: TestClient) -> Any:
    config = schemathesis.Config.from_path(CONFIG)
    return schemathesis.openapi.from_asgi("/openapi.json", client.app, config=config, headers=OURS)


OURS = {"Host": "localhost"}
MODES = pytest.mark.parametrize(("mode", "examples"), [(GenerationMode.POSITIVE, 2), (GenerationMode.NEGATIVE, 2)])


@pytest.fixture
def locked(settings: Settings, store: Store) -> Iterator[TestClient]:
    """A client of an API that asks for keys, and shows none."""
    app = fresh_app(settings.model_copy(update={"auth": "on"}))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@MODES
def test_every_route_answers_as_it_says(api: TestClient, store: Store, mode: GenerationMode, examples: int) -> None:
    submit(store, dataset="digits", epochs=1)
    ask_all(described(api), mode, examples, OURS)


@MODES
def test_every_route_answers_as_it_says_to_who_shows_a_key_and_not_without(
    locked: TestClient, store: Store, mode: GenerationMode, examples: int
) -> None:
    submit(store, dataset="digits", epochs=1)
    key = store.api_keys.add("default", "fuzz", SCOPES)[1]
    # All checks, `ignored_auth` among them: what is answered is asked for again with no key, and with a wrong one.
    ask_all(described(locked), mode, examples, {**OURS, "Authorization": f"Bearer {key}"})


def test_without_a_key_no_route_takes_what_is_made_up(locked: TestClient, store: Store) -> None:
    opened = {}
    for found in described(locked).get_all_operations():
        operation = found.ok()
        is_public = not operation.definition.raw["security"]

        def ask(case: Any, label: str = operation.label, is_public: bool = is_public) -> None:
            case.headers.pop("Authorization", None)  # of what is made up
            if (status := case.call(headers=OURS).status_code) == 401:
                assert not is_public, label
            elif not is_public:
                opened[label] = status

        each(operation.as_strategy(), 1, ask)
    assert opened == {}


def ask_all(document: Any, mode: GenerationMode, examples: int, headers: dict[str, str]) -> None:
    wrong = {}
    for found in document.get_all_operations():
        operation = found.ok()
        if mode.is_negative and operation.path.startswith(PROTOCOLS):
            continue  # their names may be anything: it takes seconds to find that nothing is wrong
        try:
            each(operation.as_strategy(generation_mode=mode), examples, partial(ask_with, headers))
        except Unsatisfiable:
            assert mode.is_negative  # of what takes nothing, nothing can be wrong
        except FailureGroup as failures:
            wrong[operation.label] = str(failures)
    assert wrong == {}


def ask_with(headers: dict[str, str], case: Any) -> None:
    case.call_and_validate(headers=headers)


def each(cases: SearchStrategy[Any], examples: int, ask: Callable[[Any], None]) -> None:
    @given(case=cases)
    @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    def asked(case: Any) -> None:
        ask(case)

    asked()
