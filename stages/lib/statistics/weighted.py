"""The scores of weighted examples, for many weightings at once: how a bootstrap is computed without a loop.

A resample with replacement is the same examples with whole-number weights, how often each was drawn. The
scores of examples with weights are those of stages/lib/statistics/scores.py on the examples repeated so
often; what is None there is NaN here. So a correlation is NaN in a resample without spread, and so is a mean
over no example at all; ranks are recomputed for each resample, ties sharing the mean of theirs.

Legend: K different examples, C classes, G different values, R weightings.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stages.lib.kinds import Kind
from stages.lib.statistics.scores import varies
from stages.lib.task import Task

Values = dict[str, np.ndarray]  # score name -> [R]

NO_SPREAD = 1e-13  # of the mean square: what is below is rounding


class Counts(NamedTuple):
    """What the scores of classes are made of: [C], or [R, C] of many weightings."""

    hits: np.ndarray  # predicted rightly
    actual: np.ndarray  # examples of the class
    predicted: np.ndarray  # predictions of the class


def weighted_scores(
    task: Task, labels_K: np.ndarray, predicted_K: np.ndarray, weights_RK: np.ndarray
) -> Values:
    """Every flat score; labels and predictions are arrays of stages/lib/labels.py."""
    return WEIGHTED_SCORES_OF_KINDS[task.kind](task, labels_K, predicted_K, weights_RK)


def class_counts(labels_KC: np.ndarray, predicted_KC: np.ndarray, weights_RK: np.ndarray) -> Counts:
    """[R, C], from what each example is and is said to be, both bool."""
    hits, actual, predicted = (
        weights_RK @ of_KC.astype(float) for of_KC in (labels_KC & predicted_KC, labels_KC, predicted_KC)
    )
    return Counts(hits, actual, predicted)


def averaged_f1(counts: Counts) -> Values:
    """macro_f1 and weighted_f1 by the definitions of stages/lib/statistics/scores.py."""
    either_RC = counts.actual + counts.predicted
    f1_RC = 2 * counts.hits / np.maximum(either_RC, 1)
    return {
        "macro_f1": f1_RC.sum(axis=-1) / np.maximum((either_RC > 0).sum(axis=-1), 1),
        "weighted_f1": (f1_RC * counts.actual).sum(axis=-1) / np.maximum(counts.actual.sum(axis=-1), 1),
    }


def matthews(counts: Counts) -> np.ndarray:
    """Of several classes (Gorodkin 2004); 0 where there is a single class in labels or predictions."""
    hits, actual, predicted = (np.asarray(part, dtype=float) for part in counts)
    n = actual.sum(axis=-1)
    together = hits.sum(axis=-1) * n - (actual * predicted).sum(axis=-1)
    apart = (n**2 - (actual**2).sum(axis=-1)) * (n**2 - (predicted**2).sum(axis=-1))
    return np.asarray(together / np.sqrt(np.where(apart > 0, apart, 1)))


def single_label_scores(task: Task, counts: Counts) -> Values:
    """Every flat score of a classification."""
    accuracy = counts.hits.sum(axis=-1) / counts.actual.sum(axis=-1)
    values = {"accuracy": accuracy, **averaged_f1(counts), "matthews": matthews(counts)}
    if task.positive is not None:
        hits, actual, predicted = (part[..., task.labels.index(task.positive)] for part in counts)
        values["precision"] = hits / np.maximum(predicted, 1)
        values["recall"] = hits / np.maximum(actual, 1)
        values["f1"] = 2 * hits / np.maximum(actual + predicted, 1)
    return values


def _classification(
    task: Task, labels_K: np.ndarray, predicted_K: np.ndarray, weights_RK: np.ndarray
) -> Values:
    classes_C = np.arange(len(task.labels))
    is_label_KC, is_said_KC = (of_K[:, None] == classes_C for of_K in (labels_K, predicted_K))
    return single_label_scores(task, class_counts(is_label_KC, is_said_KC, weights_RK))


def _multi_label(
    task: Task, labels_KC: np.ndarray, predicted_KC: np.ndarray, weights_RK: np.ndarray
) -> Values:
    counts = class_counts(labels_KC, predicted_KC, weights_RK)
    said = (counts.actual + counts.predicted).sum(axis=-1)
    exact_K = (labels_KC == predicted_KC).all(axis=-1).astype(float)
    return {
        "micro_f1": 2 * counts.hits.sum(axis=-1) / np.maximum(said, 1),
        **averaged_f1(counts),
        "subset_accuracy": weights_RK @ exact_K / _totals(weights_RK),
    }


def _regression(task: Task, labels_K: np.ndarray, predicted_K: np.ndarray, weights_RK: np.ndarray) -> Values:
    centred_K2 = np.stack([_centred(values_K) for values_K in (labels_K, predicted_K)], axis=1)
    error_K = predicted_K - labels_K
    products_K = centred_K2.prod(axis=1)
    sums = weights_RK @ np.column_stack([centred_K2, centred_K2**2, products_K, error_K**2, abs(error_K)])
    x, y, xx, yy, xy, squared, absolute = sums.T / _totals(weights_RK)
    variance_x, variance_y = (
        np.where(square - mean**2 > NO_SPREAD * square, square - mean**2, np.nan)
        for mean, square in ((x, xx), (y, yy))
    )
    return {
        "pearson": np.clip((xy - x * y) / np.sqrt(variance_x * variance_y), -1, 1),
        "spearman": _spearman(centred_K2[:, 0], centred_K2[:, 1], weights_RK),
        "r2": 1 - squared / variance_x,
        "rmse": np.sqrt(squared),
        "mae": absolute,
    }


def _totals(weights_RK: np.ndarray) -> np.ndarray:
    totals_R = weights_RK.sum(axis=-1)
    return np.where(totals_R > 0, totals_R, np.nan)


def _centred(values_K: np.ndarray) -> np.ndarray:
    """Around their mean, where sums of squares lose the fewest digits."""
    return values_K - values_K.mean() if varies(values_K) else np.zeros(len(values_K))


def _spearman(x_K: np.ndarray, y_K: np.ndarray, weights_RK: np.ndarray) -> np.ndarray:
    x_RK, y_RK = (centred_ranks(values_K, weights_RK) for values_K in (x_K, y_K))
    xx, yy, xy = (
        np.einsum("rk,rk,rk->r", weights_RK, *pair) for pair in ((x_RK, x_RK), (y_RK, y_RK), (x_RK, y_RK))
    )
    spread = np.sqrt(xx * yy)
    return np.asarray(np.clip(xy / np.where(spread > 0, spread, np.nan), -1, 1))


def centred_ranks(values_K: np.ndarray, weights_RK: np.ndarray) -> np.ndarray:
    """[R, K]: less the mean rank. Equal values, so an example's repetitions too, share the mean of theirs."""
    different_G, place_K = np.unique(values_K, return_inverse=True)
    order_K = np.argsort(place_K, kind="stable")
    starts_G = np.searchsorted(place_K[order_K], np.arange(len(different_G)))
    weights_RG = np.add.reduceat(weights_RK[:, order_K], starts_G, axis=1)
    up_to_RG = weights_RG.cumsum(axis=1)
    ranks_RG = up_to_RG - (weights_RG + up_to_RG[:, -1:]) / 2
    return np.asarray(ranks_RG[:, place_K])


WEIGHTED_SCORES_OF_KINDS: dict[Kind, Callable[[Task, np.ndarray, np.ndarray, np.ndarray], Values]] = {
    "classification": _classification,
    "regression": _regression,
    "multi-label": _multi_label,
}
