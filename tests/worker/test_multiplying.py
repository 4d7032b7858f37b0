from collections.abc import Iterator

import pytest

from models.elementwise import library
from models.products import choice, processor
from models.products.choice import Choice
from service.settings import Settings
from service.store.store import Store
from worker import multiplying


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    multiplying._settled.cache_clear()
    yield
    multiplying._settled.cache_clear()
    choice.use(None)
    library.use(compiled=True)


def test_who_asks_for_the_reference_gets_torch_alone(store: Store, settings: Settings) -> None:
    multiplying.settle(store, settings.model_copy(update={"kernels": "reference"}))
    assert choice.current() == choice.REFERENCE
    assert choice.described()["elementwise"] == "torch"


def test_an_unknown_processor_multiplies_as_it_is_on_record_and_not_as_it_measures_today(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = processor.Processor("NewMaker", "AVX1024", "0.4 Future")
    monkeypatch.setattr(choice, "this", lambda: unknown)
    store.processors.settle(choice.asked(), lambda: ("mkl", "openblas"))
    multiplying.settle(store, settings)
    assert choice.current() == Choice("mkl", "openblas")


def test_kernels_of_a_later_version_are_not_taken(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = processor.Processor("NewMaker", "AVX1024", "0.4 Future")
    monkeypatch.setattr(choice, "this", lambda: unknown)
    store.processors.settle(choice.asked(), lambda: ("warp", "mkl"))
    multiplying.settle(store, settings)
    assert choice.current() == choice.REFERENCE
