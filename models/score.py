"""Which of two values of a metric is the better one; without numpy, as programs set the number of its threads first."""

from typing import Any


def score(metric: str, value: float) -> float:
    """Give a number of which more is better, for whatever compares, ranks or maximises: of a `log_loss` less is."""
    return -value if metric == "log_loss" else value


def score_of(result: dict[str, Any]) -> float:
    """Give the score of a job's best epoch; results of before knew accuracy alone."""
    metric = result.get("metric") or "accuracy"
    return score(metric, float(result["best_val_accuracy" if metric == "accuracy" else "best_metric"]))
