"""How sure the scores are: an interval around each, from the confusion matrix alone.

Accuracy, precision and recall are shares of a count, so theirs are Wilson's intervals (Wilson 1927;
recommended by Brown, Cai and DasGupta 2001): they hold for small counts and do not collapse at 0 or 1. So
is the F1 of one class: F1 = 2J / (1 + J), where J = TP / (TP + FP + FN) is a share too, and F1 rises
wherever J does.

Macro and weighted F1 are no shares; theirs are percentile bootstrap intervals (Efron and Tibshirani 1993,
chapter 13). A resample of the examples changes a score only through its confusion matrix, so the matrices
themselves are drawn: the class counts, then each class's predictions, all multinomial. That is exactly the
bootstrap of the examples, at a cost that does not grow with their number. Class counts are drawn, not held
fixed, since a new test set would not keep them either: held fixed, 95 % intervals cover about 90 % of the
time where classes are rare or unequally hard, and those of a majority-class dummy have no width. What the
bootstrap cannot see is an error that has not occurred: without any, its width is 0.

Legend: C classes (rows of a confusion matrix are true, columns predicted), R resamples, N examples.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import confusion_matrix

from stages.lib.scores import scores, scores_by_class
from stages.lib.task import Task

Bounds = tuple[float, float]


class Counts(NamedTuple):
    """What every score is made of, by class: one confusion matrix's [C], or many resamples' [R, C]."""

    hits: np.ndarray  # predicted rightly
    actual: np.ndarray  # examples of the class
    predicted: np.ndarray  # predictions of the class


def with_intervals(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, *, resamples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Every flat score and, under `by_class`, each class's, with `_low` and `_high`; `n` at both levels.

    The values are those of stages/lib/scores.py, except that 0 / 0 (the precision of a class that was never
    predicted, the recall of one without examples) is None, bounds too. There has to be an example.
    """
    matrix_CC = confusion_matrix(labels_N, predicted_N, labels=range(len(task.labels)))
    counts = counts_of(matrix_CC)
    draws = averaged_f1(resample(matrix_CC, resamples, np.random.default_rng(seed)))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds: dict[str, Bounds | None] = {
        "accuracy": wilson(counts.hits.sum(), matrix_CC.sum(), confidence),
        **{name: tuple(np.quantile(draws_R, tails)) for name, draws_R in draws.items()},
    }
    by_class = {
        name: _bounded(values, _class_bounds(counts, number, confidence)) | {"n": int(counts.actual[number])}
        for number, (name, values) in enumerate(scores_by_class(task, labels_N, predicted_N).items())
    }
    if task.positive is not None:
        bounds |= _class_bounds(counts, task.labels.index(task.positive), confidence)
    flat = _bounded(scores(task, labels_N, predicted_N), bounds)
    return flat | {"n": int(matrix_CC.sum()), "by_class": by_class}


def wilson(hits: int, trials: int, confidence: float) -> Bounds | None:
    """Wilson's score interval of a share; None where there were no trials."""
    if trials == 0:
        return None
    # in closed form: by way of SciPy's test, whose p-value nobody asked for, it takes twenty times as long
    square = float(ndtri((1 + confidence) / 2)) ** 2
    middle, weight = (hits + square / 2) / (trials + square), trials / (trials + square)
    reach = weight * (square * (hits * (trials - hits) / trials + square / 4)) ** 0.5 / trials
    return 0.0 if hits == 0 else float(middle - reach), 1.0 if hits == trials else float(middle + reach)


def counts_of(matrix_CC: np.ndarray) -> Counts:
    return Counts(hits=matrix_CC.diagonal(), actual=matrix_CC.sum(axis=1), predicted=matrix_CC.sum(axis=0))


def resample(matrix_CC: np.ndarray, resamples: int, rng: np.random.Generator) -> Counts:
    """The counts, [R, C], of `resamples` samples with replacement of the examples behind the matrix."""
    actual_C = matrix_CC.sum(axis=1)
    actual_RC = rng.multinomial(actual_C.sum(), actual_C / actual_C.sum(), size=resamples)
    hits_RC, predicted_RC = np.zeros_like(actual_RC), np.zeros_like(actual_RC)
    for number in np.flatnonzero(actual_C):
        drawn_RC = rng.multinomial(actual_RC[:, number], matrix_CC[number] / actual_C[number])
        hits_RC[:, number] = drawn_RC[:, number]
        predicted_RC += drawn_RC
    return Counts(hits_RC, actual_RC, predicted_RC)


def averaged_f1(counts: Counts) -> dict[str, np.ndarray]:
    """macro_f1 and weighted_f1, [R], by the definitions of stages/lib/scores.py."""
    either_RC = counts.actual + counts.predicted
    f1_RC = 2 * counts.hits / np.maximum(either_RC, 1)
    return {
        "macro_f1": f1_RC.sum(axis=-1) / (either_RC > 0).sum(axis=-1),
        "weighted_f1": (f1_RC * counts.actual).sum(axis=-1) / counts.actual.sum(axis=-1),
    }


def all_scores(task: Task, counts: Counts) -> dict[str, np.ndarray]:
    """Every flat score of stages/lib/scores.py, [R], from counts; 0 where it divides nothing by nothing."""
    values = {"accuracy": counts.hits.sum(axis=-1) / counts.actual.sum(axis=-1)} | averaged_f1(counts)
    if task.positive is not None:
        hits, actual, predicted = (part[..., task.labels.index(task.positive)] for part in counts)
        values["precision"] = hits / np.maximum(predicted, 1)
        values["recall"] = hits / np.maximum(actual, 1)
        values["f1"] = 2 * hits / np.maximum(actual + predicted, 1)
    return values


def _class_bounds(counts: Counts, number: int, confidence: float) -> dict[str, Bounds | None]:
    hits, actual, predicted = (values_C[number] for values_C in counts)
    jaccard = wilson(hits, actual + predicted - hits, confidence)
    return {
        "precision": wilson(hits, predicted, confidence),
        "recall": wilson(hits, actual, confidence),
        "f1": None if jaccard is None else (_f1_of(jaccard[0]), _f1_of(jaccard[1])),
    }


def _f1_of(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _bounded(values: dict[str, float], bounds: dict[str, Bounds | None]) -> dict[str, float | None]:
    """Each value between its bounds, as `name`, `name_low`, `name_high`."""
    figures: dict[str, float | None] = {}
    for name, value in values.items():
        limits = bounds[name]
        low, high = (None, None) if limits is None else limits
        figures |= {name: None if limits is None else value, f"{name}_low": low, f"{name}_high": high}
    return figures
