"""What thresholds on probabilities give: examples decided without a person, and the best F1."""

import math
from typing import Any

import numpy as np

from stages.lib.statistics import multi_label
from stages.lib.statistics.operating import OperatingPoint, probabilities_of, sure_first
from stages.lib.statistics.wilson import wilson
from stages.lib.task import Task


def decided(
    logits_NC: np.ndarray, labels_N: np.ndarray, points: list[OperatingPoint], confidence: float
) -> list[dict[str, Any]]:
    """What each threshold gives here: the share decided, and the precision among those, each with bounds."""
    right_N, probability_N = sure_first(logits_NC, labels_N)
    rows = []
    for point in points:
        taken_N = probability_N >= (math.inf if point.threshold is None else point.threshold)
        share = _share(taken_N.sum(), len(taken_N), confidence, "share")
        reached = _share(right_N[taken_N].sum(), taken_N.sum(), confidence, "precision")
        rows.append({"target": point.precision, "threshold": point.threshold} | share | reached)
    return rows


def best_f1_threshold(task: Task, logits_NC: np.ndarray, labels_N: np.ndarray) -> float | None:
    """The least probability of the positive class to call an example positive at, for the best F1 here.

    None where the task has no positive class, or where no example is of it.
    """
    if task.positive is None:
        return None
    number = task.labels.index(task.positive)
    is_positive_N = labels_N == number
    if not is_positive_N.any():
        return None
    return multi_label.best_f1_threshold(probabilities_of(logits_NC)[:, number], is_positive_N)


def predicted_at(task: Task, logits_NC: np.ndarray, threshold: float) -> np.ndarray:
    """Class numbers, [N]: the positive class from the threshold on, else the most probable other."""
    number = task.labels.index(str(task.positive))
    others_NC = logits_NC.astype(np.float64)
    others_NC[:, number] = -np.inf
    is_positive_N = probabilities_of(logits_NC)[:, number] >= threshold
    return np.where(is_positive_N, number, others_NC.argmax(axis=1))


def _share(hits: int, trials: int, confidence: float, name: str) -> dict[str, float | None]:
    bounds = wilson(hits, trials, confidence)
    low, high = (None, None) if bounds is None else bounds
    return {name: None if bounds is None else float(hits / trials), f"{name}_low": low, f"{name}_high": high}
