from collections.abc import Iterator

import pytest

from models.compiled import library
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


@pytest.mark.parametrize(
    ("on_record", "used"),
    [(("mkl", "openblas"), Choice("mkl", "openblas")), (("warp", "mkl"), choice.REFERENCE)],
    ids=["not as it measures today", "kernels of a later version are not taken"],
)
def test_an_unknown_processor_multiplies_as_it_is_on_record(
    on_record: tuple[str, str], used: Choice, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no such processor to try it on.
    monkeypatch.setattr(choice, "this", lambda: processor.Processor("NewMaker", "AVX1024", "0.4 Future"))
    store.processors.settle(choice.asked(), lambda: on_record)
    multiplying.settle(store, settings)
    assert choice.current() == used


@pytest.mark.parametrize(
    ("on_record", "used"),
    [(("compiled", "openblas"), Choice("openblas", "openblas")), (("compiled", "compiled"), choice.REFERENCE)],
)
def test_what_is_on_record_and_not_compiled_here_is_not_used(
    on_record: tuple[str, str], used: Choice, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "this", lambda: processor.Processor("NewMaker", "AVX1024", "0.4 Future"))
    monkeypatch.setattr(library, "multiplies", lambda: False)
    store.processors.settle(choice.asked(), lambda: on_record)
    multiplying.settle(store, settings)
    assert choice.current() == used
