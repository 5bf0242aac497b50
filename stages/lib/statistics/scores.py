"""The plain scores, by scikit-learn and SciPy: what every other computation of them must equal.

Labels and predictions are the arrays of stages/lib/labels.py. A share of nothing (the precision of a class
that was never predicted) is 0 (`zero_division=0`), as in scikit-learn's classification report, and so is the
Matthews correlation of a single predicted class, as there. A correlation without spread is no number: None,
and `undefined` says why.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)

from stages.lib.kinds import KINDS, Kind
from stages.lib.task import Task

OF_ONE_CLASS = ("precision", "recall", "f1")  # by class; flat for the positive class where the task has one

ROUNDING = 1e-12  # of the largest value

Scores = dict[str, float | None]


def metric_names(kind: Kind, positive: str | None) -> tuple[str, ...]:
    """What a source can list under `metrics`, and what `scores` returns."""
    return KINDS[kind].scores + (KINDS[kind].positive_scores if positive is not None else ())


def scores(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> Scores:
    """Every name of `metric_names` with its value; at least one example."""
    return SCORES_OF_KINDS[task.kind](task, labels_N, predicted_N)


def undefined(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, str]:
    """Of the scores that are None, why."""
    values = scores(task, labels_N, predicted_N)
    return {name: _reason(labels_N, predicted_N) for name, value in values.items() if value is None}


def _reason(labels_N: np.ndarray, predicted_N: np.ndarray) -> str:
    if len(labels_N) < 2:
        return "there is a single example"
    what, values_N = ("prediction", predicted_N) if varies(labels_N) else ("label", labels_N)
    return f"every {what} is {values_N[0]:g}"


def _classification(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> Scores:
    """Macro F1 is the mean over the classes that occur in the labels or the predictions, scikit-learn's
    default, so it is the figure that anyone gets from `f1_score(..., average="macro")`. A class with neither
    an example nor a prediction says nothing about the model; a 0 would punish a small test set, not a bad
    model.
    """
    values = {
        "accuracy": accuracy_score(labels_N, predicted_N),
        "macro_f1": f1_score(labels_N, predicted_N, average="macro", zero_division=0),
        "weighted_f1": f1_score(labels_N, predicted_N, average="weighted", zero_division=0),
        "matthews": _matthews(labels_N, predicted_N),
    }
    if task.positive is not None:
        values |= scores_by_class(task, labels_N, predicted_N)[task.positive]
    return {name: float(value) for name, value in values.items()}


def _matthews(labels_N: np.ndarray, predicted_N: np.ndarray) -> float:
    if len(np.unique([labels_N, predicted_N])) == 1:  # 0 there too, with a warning on top
        return 0.0
    return float(matthews_corrcoef(labels_N, predicted_N))


def _regression(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> Scores:
    spread = varies(labels_N)
    related = spread and varies(predicted_N)
    return {
        "pearson": float(pearsonr(labels_N, predicted_N).statistic) if related else None,
        "spearman": float(spearmanr(labels_N, predicted_N).statistic) if related else None,
        "r2": float(r2_score(labels_N, predicted_N)) if spread else None,
        "rmse": float(root_mean_squared_error(labels_N, predicted_N)),
        "mae": float(mean_absolute_error(labels_N, predicted_N)),
    }


def varies(values_N: np.ndarray) -> bool:
    """By more than the rounding of equal values."""
    return bool(np.ptp(values_N) > ROUNDING * np.abs(values_N).max())


def _multi_label(task: Task, labels_NC: np.ndarray, predicted_NC: np.ndarray) -> Scores:
    """Macro F1 is over the labels that occur, as for classification: `zero_division=np.nan`."""
    f1s = {
        f"{average}_f1": f1_score(
            labels_NC, predicted_NC, average=average, zero_division=np.nan if average == "macro" else 0
        )
        for average in ("micro", "macro", "weighted")
    }
    f1s = {name: 0.0 if np.isnan(value) else float(value) for name, value in f1s.items()}
    return f1s | {"subset_accuracy": float(accuracy_score(labels_NC, predicted_NC))}


SCORES_OF_KINDS: dict[Kind, Callable[[Task, np.ndarray, np.ndarray], Scores]] = {
    "classification": _classification,
    "regression": _regression,
    "multi-label": _multi_label,
}


def scores_by_class(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, dict[str, float]]:
    """Class name -> its precision, recall and F1, each class against the rest; of tasks with classes."""
    numbers = range(len(task.labels))
    precision_C, recall_C, f1_C, _ = precision_recall_fscore_support(
        labels_N, predicted_N, labels=numbers, average=None, zero_division=0
    )
    rows = zip(precision_C, recall_C, f1_C, strict=True)
    return {
        name: dict(zip(OF_ONE_CLASS, map(float, row), strict=True))
        for name, row in zip(task.labels, rows, strict=True)
    }
