from service.store.store import Store


def test_a_processor_is_measured_once_and_the_first_answer_holds(store: Store) -> None:
    assert store.processors.settle("one", lambda: ("openblas", "mkl")) == ("openblas", "mkl")
    assert store.processors.settle("one", _never) == ("openblas", "mkl")
    assert store.processors.settle("another", lambda: ("mkl", "mkl")) == ("mkl", "mkl")


def test_of_two_that_measure_at_one_time_both_take_what_the_first_wrote_down(store: Store) -> None:
    def measured_meanwhile() -> tuple[str, str]:
        store.processors.settle("one", lambda: ("mkl", "openblas"))
        return "openblas", "mkl"

    assert store.processors.settle("one", measured_meanwhile) == ("mkl", "openblas")


def _never() -> tuple[str, str]:
    raise AssertionError("it is on record")
