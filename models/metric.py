"""By which number a network is judged, and which of two values of it is the better one.

Without numpy, which programs load after they have set the number of its threads.
"""

from typing import Any, Literal

Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "log_loss"]
"""By what a network is judged on its validation part; of a `log_loss` less is better, of the others more."""


def score(metric: str, value: float) -> float:
    """Give a number of which more is better, for whatever compares, ranks or maximises: of a `log_loss` less is."""
    return -value if metric == "log_loss" else value


def score_of(result: dict[str, Any]) -> float:
    """Give the score of a job's best epoch; results of before knew accuracy alone."""
    metric = result.get("metric") or "accuracy"
    return score(metric, float(result["best_val_accuracy" if metric == "accuracy" else "best_metric"]))
