"""The plain scores of a classifier, by scikit-learn: what every other computation of them must equal.

A score that divides nothing by nothing is 0 (`zero_division=0`), as in scikit-learn's classification report.
"""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from stages.lib.task import Task

OF_ALL_CLASSES = ("accuracy", "macro_f1", "weighted_f1")
OF_ONE_CLASS = (
    "precision",
    "recall",
    "f1",
)  # by class, and flat for the positive class where the task has one
METRIC_NAMES = OF_ALL_CLASSES + OF_ONE_CLASS


def metric_names(positive: str | None) -> tuple[str, ...]:
    """What a source can list under `metrics`, and what `scores` returns."""
    return OF_ALL_CLASSES if positive is None else METRIC_NAMES


def scores(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, float]:
    """Every name of `metric_names` with its value, from class numbers.

    Macro F1 is the mean over the classes that occur in the labels or the predictions, scikit-learn's default,
    so it is the figure that anyone gets from `f1_score(..., average="macro")`. A class with neither an
    example nor a prediction says nothing about the model; a 0 would punish a small test set, not a bad model.
    """
    values = {
        "accuracy": accuracy_score(labels_N, predicted_N),
        "macro_f1": f1_score(labels_N, predicted_N, average="macro", zero_division=0),
        "weighted_f1": f1_score(labels_N, predicted_N, average="weighted", zero_division=0),
    }
    if task.positive is not None:
        values |= scores_by_class(task, labels_N, predicted_N)[task.positive]
    return {name: float(value) for name, value in values.items()}


def scores_by_class(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, dict[str, float]]:
    """Class name -> its precision, recall and F1, each class against the rest."""
    numbers = range(len(task.labels))
    precision_C, recall_C, f1_C, _ = precision_recall_fscore_support(
        labels_N, predicted_N, labels=numbers, average=None, zero_division=0
    )
    rows = zip(precision_C, recall_C, f1_C, strict=True)
    return {
        name: dict(zip(OF_ONE_CLASS, map(float, row), strict=True))
        for name, row in zip(task.labels, rows, strict=True)
    }
