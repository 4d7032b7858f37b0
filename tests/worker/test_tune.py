from worker.tune import Configuration, recommend


def test_the_recommendation_says_what_was_chosen_and_why() -> None:
    seconds = {1: 0.001, 2: 0.0008, 4: 0.00079, 8: 0.00081, 16: 0.0009}
    with_threads = {size: cost / 1.5 for size, cost in seconds.items()}
    text = "\n".join(recommend([Configuration(2, 1, seconds), Configuration(1, 2, with_threads)]))
    assert "group size: 2, the smallest within 5% of the best; +25% against one network at a time" in text
    assert "2 processes of one thread do 1.33 times the work of one process of 2" in text


def test_on_a_single_core_there_is_nothing_to_compare() -> None:
    lines = list(recommend([Configuration(1, 1, {1: 0.001, 2: 0.001})]))
    assert lines[-1].startswith("group size: 1, ")
