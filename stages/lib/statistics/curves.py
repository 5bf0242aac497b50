"""Precision against recall, and true against false positives, at every threshold on a probability.

Where the task has a positive class, the curves are of that class against the rest. Otherwise they are
micro-averaged: every pair of an example and a class is one decision, right where the class is the example's
label, or among its labels where it can have several, so a class weighs as much as it has examples.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from scipy.special import expit, softmax
from sklearn.metrics import precision_recall_curve, roc_curve

from stages.lib.kinds import Kind
from stages.lib.statistics.probabilities import no_probabilities
from stages.lib.task import Task


def precision_recall(task: Task, logits_NC: np.ndarray, labels_N: np.ndarray, points: int) -> pl.DataFrame:
    """recall, precision, threshold, from the lowest threshold to the highest; at most `points` (>= 2) rows.

    The last row, where nothing is called positive, has no threshold: null. Without a single positive recall
    is undefined, and the table has no row.
    """
    truth_D, score_D = DECISIONS_OF_KINDS[task.kind](task, logits_NC, labels_N)
    columns = ("recall", "precision", "threshold")
    if not truth_D.any():
        return _table(columns, [[], [], []])
    precision, recall, threshold = precision_recall_curve(truth_D, score_D, drop_intermediate=True)
    kept = _evenly(recall, precision, points)
    return _table(columns, [recall[kept], precision[kept], np.append(threshold, np.nan)[kept]])


def roc(task: Task, logits_NC: np.ndarray, labels_N: np.ndarray, points: int) -> pl.DataFrame:
    """false_positive_rate, true_positive_rate, threshold, (0, 0) to (1, 1); at most `points` (>= 2) rows.

    The first row, where nothing is called positive, has no threshold: null. Without a positive or without a
    negative one of the rates is undefined, and the table has no row.
    """
    truth_D, score_D = DECISIONS_OF_KINDS[task.kind](task, logits_NC, labels_N)
    columns = ("false_positive_rate", "true_positive_rate", "threshold")
    if truth_D.all() or not truth_D.any():
        return _table(columns, [[], [], []])
    false_rate, true_rate, threshold = roc_curve(truth_D, score_D)
    kept = _evenly(false_rate, true_rate, points)
    threshold[0] = np.nan  # scikit-learn's infinity
    return _table(columns, [false_rate[kept], true_rate[kept], threshold[kept]])


def _of_classes(task: Task, logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities_NC = softmax(logits_NC.astype(np.float64), axis=1)
    truth_NC = labels_N[:, None] == np.arange(len(task.labels))
    if task.positive is None:
        return truth_NC.ravel(), probabilities_NC.ravel()
    place = task.labels.index(task.positive)
    return truth_NC[:, place], probabilities_NC[:, place]


def _of_labels(task: Task, logits_NC: np.ndarray, labels_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return labels_NC.ravel(), expit(logits_NC.astype(np.float64)).ravel()


# Whether each decision is truly positive, and the probability it is judged by: [D] and [D].
DECISIONS_OF_KINDS: dict[Kind, Callable[[Task, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "classification": _of_classes,
    "regression": no_probabilities,
    "multi-label": _of_labels,
}


def _evenly(x: np.ndarray, y: np.ndarray, points: int) -> np.ndarray:
    """Places of at most `points` points at even distances along the curve, first and last among them."""
    # steps along the axes: a staircase of two thresholds is as long as one of two thousand
    travelled = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    if len(travelled) <= points:
        return np.arange(len(travelled))
    inner = np.searchsorted(travelled, np.linspace(0, travelled[-1], points)[1:-1])
    return np.unique(np.concatenate([[0], inner, [len(travelled) - 1]]))


def _table(columns: Sequence[str], values: Sequence[np.ndarray | list[float]]) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.Float64)
    data = dict(zip(columns, values, strict=True))
    return pl.DataFrame(data, schema=schema, nan_to_null=True)
