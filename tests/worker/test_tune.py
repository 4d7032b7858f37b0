from worker.tune import Way, report


def test_the_report_says_what_was_chosen_and_why() -> None:
    seconds = {1: 0.001, 2: 0.0008, 4: 0.00079, 8: 0.00081, 16: 0.0009}
    text = "\n".join(report([Way(2, 1, seconds), Way(1, 2, {size: cost / 1.5 for size, cost in seconds.items()})]))
    assert "group size: 2, the smallest within 5% of the best; +25% against one network at a time" in text
    assert "2 processes of one thread do 1.33 times the work of one process of 2" in text


def test_on_a_single_core_there_is_nothing_to_compare() -> None:
    lines = list(report([Way(1, 1, {1: 0.001, 2: 0.001})]))
    assert lines[-1].startswith("group size: 1, ")
