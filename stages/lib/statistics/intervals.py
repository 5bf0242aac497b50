"""How sure the scores are: an interval around each.

Accuracy, subset accuracy, precision and recall are shares of a count, so theirs are Wilson's intervals
(Wilson 1927; recommended by Brown, Cai and DasGupta 2001): they hold for small counts and do not collapse at
0 or 1. So is the F1 of one class: F1 = 2J / (1 + J), where J = TP / (TP + FP + FN) is a share too, and F1
rises wherever J does.

Mean absolute and mean squared errors are means of skewed values: theirs, and that of the root, are Hall's
transformed t (Hall 1992, "On the removal of skewness by transformation"), which needs no resamples.

Pearson's and Spearman's correlations and R2 are transformed to where their chance is nearly normal (Fisher's
arctanh; log(1 - R2)), with the standard error of the jackknife and Student's quantiles. That assumes no
distribution, needs no resamples, and covers more often than the bootstrap's percentiles.

Averaged F1 and Matthews' correlation are none of these; theirs are bootstrap intervals: of classes by the
percentiles (Efron and Tibshirani 1993, chapter 13), of several labels an example by BCa (chapter 14), since
labels can be far rarer than classes, and averages over them are then skewed and biased. A resample of a
classification's examples changes a score only through its confusion matrix, so the matrices themselves are
drawn: the class counts, then each class's predictions, all multinomial. That is exactly the bootstrap of the
examples, at a cost that does not grow with their number. Class counts are drawn, not held fixed, since a new
test set would not keep them either: held fixed, 95 % intervals cover about 90 % of the time where classes are
rare or unequally hard, and those of a majority-class dummy have no width. What the bootstrap cannot see is an
error that has not occurred: without any, its width is 0.

Legend: C classes (rows of a confusion matrix are true, columns predicted), R resamples, N examples.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student
from sklearn.metrics import confusion_matrix

from stages.lib.kinds import Kind
from stages.lib.statistics.resampling import combinations, jackknifed, resampled, scores_of
from stages.lib.statistics.scores import scores, scores_by_class, undefined
from stages.lib.statistics.weighted import Counts, Values, averaged_f1, class_counts, matthews
from stages.lib.statistics.wilson import Bounds, wilson
from stages.lib.task import Task

NamedBounds = dict[str, Bounds | None]


class Scale(NamedTuple):
    """Where a score's chance is nearly normal."""

    to: Callable[[Any], Any]
    back: Callable[[np.ndarray], np.ndarray]


PERFECT = 1e-12  # short of 1 and 0, where the scales end
CORRELATION = Scale(lambda value: np.arctanh(np.clip(value, PERFECT - 1, 1 - PERFECT)), np.tanh)
SHARE_LEFT = Scale(lambda value: np.log(np.maximum(1 - value, PERFECT)), lambda left: 1 - np.exp(left))
SCALES = {"pearson": CORRELATION, "spearman": CORRELATION, "r2": SHARE_LEFT}


DECIDED_BY_ONE = "a single example decides it: without that one there is no spread"


class Sampling(NamedTuple):
    resamples: int
    confidence: float
    seed: int


def with_intervals(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, *, resamples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Every flat score with `_low` and `_high`, and `n`; the same for each class under `by_class`.

    The values are those of stages/lib/statistics/scores.py, except that 0 / 0 (the precision of a class that
    was never predicted, the recall of one without examples) is None, bounds too, and so is a score that a
    single example decides. Where some are None, `undefined` beside them says why. There has to be an
    example.
    """
    sampling = Sampling(resamples, confidence, seed)
    values = scores(task, labels_N, predicted_N)
    bounds = BOUNDS_OF_KINDS[task.kind](task, labels_N, predicted_N, sampling)
    reasons = dict.fromkeys((name for name in values if bounds.get(name, True) is None), DECIDED_BY_ONE)
    if None in values.values():
        reasons |= undefined(task, labels_N, predicted_N)
    figures: dict[str, Any] = {"n": len(labels_N)}
    if counted := COUNTS_OF_KINDS[task.kind]:
        counts = counted(task, labels_N, predicted_N)
        by_class = scores_by_class(task, labels_N, predicted_N)
        if task.positive is not None:
            number = task.labels.index(task.positive)
            bounds |= _class_bounds(counts, number, confidence)
            reasons |= _class_reasons(counts, number, task.positive)
        figures["by_class"] = {
            name: _bounded(
                of_class, _class_bounds(counts, number, confidence), _class_reasons(counts, number, name)
            )
            | {"n": int(counts.actual[number])}
            for number, (name, of_class) in enumerate(by_class.items())
        }
    return _bounded(values, bounds, reasons) | figures


def mean_interval(values_N: np.ndarray, confidence: float, largest: float) -> Bounds:
    """Hall's interval of the mean of non-negative values; without spread, as with one value, of no width.

    With T = (mean - true mean) / sd and the skewness g, T + g T^2 / 3 + g^2 T^3 / 27 + g / 6n is nearly
    normal, and cubic in 1 + g T / 3, so it is inverted in closed form. Student's quantiles instead of normal
    ones make up for the unknown sd where n is small.
    """
    n, mean, spread = len(values_N), values_N.mean(), values_N.std()
    if n == 1 or spread <= 1e-12 * abs(mean):
        return float(mean), float(mean)
    spread *= np.sqrt(n / (n - 1))
    skewness = (((values_N - mean) / spread) ** 3).mean()
    quantiles = student.ppf([(1 + confidence) / 2, (1 - confidence) / 2], n - 1) / np.sqrt(n)
    if abs(skewness) > 1e-6:
        cubic = 1 + skewness * (quantiles - skewness / (6 * n))
        quantiles = 3 / skewness * (np.cbrt(cubic) - 1)
    low, high = np.clip(mean - spread * quantiles, 0, largest)
    return float(low), float(high)


def jackknife_interval(
    scale: Scale, value: float, without_G: np.ndarray, alike_G: np.ndarray, confidence: float
) -> Bounds | None:
    """From the score and those without one group each; None where one of these is undefined."""
    if np.isnan(value) or np.isnan(without_G).any():
        return None
    error = jackknife_error(scale.to(without_G), alike_G)
    reach = student.ppf((1 + confidence) / 2, alike_G.sum() - 2) * error
    low, high = sorted(scale.back(scale.to(value) + np.array([-reach, reach])))
    return float(low), float(high)


def bca_interval(
    value: float, draws_R: np.ndarray, without_G: np.ndarray, alike_G: np.ndarray, confidence: float
) -> Bounds:
    """Percentiles of the bootstrap, moved by its bias and by the skewness of the score (Efron 1987)."""
    below = ((draws_R < value).mean() + (draws_R <= value).mean()) / 2  # of equal ones half
    bias = ndtri(np.clip(below, 1 / (len(draws_R) + 1), len(draws_R) / (len(draws_R) + 1)))
    influence_G = np.average(without_G, weights=alike_G) - without_G
    square = (alike_G * influence_G**2).sum()
    skewness = (alike_G * influence_G**3).sum() / square**1.5 if square > 0 else 0.0
    moved = bias + ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(draws_R, ndtr(bias + moved / (1 - skewness / 6 * moved)))
    return float(low), float(high)


def jackknife_error(without_G: np.ndarray, alike_G: np.ndarray) -> float:
    """The standard error of a score (Efron and Tibshirani, chapter 11), from it without one group each."""
    groups = alike_G.sum()
    squares_G = (without_G - np.average(without_G, weights=alike_G)) ** 2
    return float(((groups - 1) / groups * (alike_G * squares_G).sum()) ** 0.5)


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


def _of_classification(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, sampling: Sampling
) -> NamedBounds:
    matrix_CC = confusion_matrix(labels_N, predicted_N, labels=range(len(task.labels)))
    drawn = resample(matrix_CC, sampling.resamples, np.random.default_rng(sampling.seed))
    accuracy = wilson(matrix_CC.diagonal().sum(), matrix_CC.sum(), sampling.confidence)
    draws = averaged_f1(drawn) | {"matthews": matthews(drawn)}
    return {"accuracy": accuracy} | _percentiles(draws, sampling.confidence)


def _of_multi_label(
    task: Task, labels_NC: np.ndarray, predicted_NC: np.ndarray, sampling: Sampling
) -> NamedBounds:
    exact = int((labels_NC == predicted_NC).all(axis=1).sum())
    subset_accuracy = wilson(exact, len(labels_NC), sampling.confidence)
    found = combinations(labels_NC, predicted_NC[None])
    (values,) = scores_of(task, found, found.counts[None])
    (draws,) = resampled(task, found, sampling.resamples, sampling.seed)
    (without,), alike_G = jackknifed(task, found, sampling.seed)
    averages = {
        name: bca_interval(values[name].item(), draws[name], without[name], alike_G, sampling.confidence)
        for name in values
    }
    return averages | {"subset_accuracy": subset_accuracy}


def _of_regression(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, sampling: Sampling
) -> NamedBounds:
    errors_N = np.abs(predicted_N - labels_N)
    low, high = mean_interval(errors_N**2, sampling.confidence, np.inf)
    return {
        **_jackknifed(task, labels_N, predicted_N, sampling),
        "rmse": (low**0.5, high**0.5),
        "mae": mean_interval(errors_N, sampling.confidence, np.inf),
    }


def _jackknifed(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, sampling: Sampling) -> NamedBounds:
    found = combinations(labels_N, predicted_N[None])
    (values,) = scores_of(task, found, found.counts[None])
    (without,), alike_G = jackknifed(task, found, sampling.seed)
    return {
        name: jackknife_interval(scale, values[name].item(), without[name], alike_G, sampling.confidence)
        for name, scale in SCALES.items()
    }


BOUNDS_OF_KINDS: dict[Kind, Callable[[Task, np.ndarray, np.ndarray, Sampling], NamedBounds]] = {
    "classification": _of_classification,
    "regression": _of_regression,
    "multi-label": _of_multi_label,
}


def _percentiles(draws: Values, confidence: float) -> NamedBounds:
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    return {name: tuple(np.quantile(draws_R, tails).tolist()) for name, draws_R in draws.items()}


def _counts_of_classes(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> Counts:
    return counts_of(confusion_matrix(labels_N, predicted_N, labels=range(len(task.labels))))


def counts_of(matrix_CC: np.ndarray) -> Counts:
    return Counts(hits=matrix_CC.diagonal(), actual=matrix_CC.sum(axis=1), predicted=matrix_CC.sum(axis=0))


def _counts_of_labels(task: Task, labels_NC: np.ndarray, predicted_NC: np.ndarray) -> Counts:
    counts = class_counts(labels_NC, predicted_NC, np.ones((1, len(labels_NC))))
    return Counts(*(part[0].astype(int) for part in counts))


# Each class's, [C]; a regression has none.
COUNTS_OF_KINDS: dict[Kind, Callable[[Task, np.ndarray, np.ndarray], Counts] | None] = {
    "classification": _counts_of_classes,
    "regression": None,
    "multi-label": _counts_of_labels,
}


def _class_bounds(counts: Counts, number: int, confidence: float) -> NamedBounds:
    hits, actual, predicted = (values_C[number] for values_C in counts)
    jaccard = wilson(hits, actual + predicted - hits, confidence)
    return {
        "precision": wilson(hits, predicted, confidence),
        "recall": wilson(hits, actual, confidence),
        "f1": None if jaccard is None else (_f1_of(jaccard[0]), _f1_of(jaccard[1])),
    }


def _class_reasons(counts: Counts, number: int, name: str) -> dict[str, str]:
    """Why precision, recall or F1 of the class is 0 / 0, where it is."""
    reasons = {}
    if counts.predicted[number] == 0:
        reasons["precision"] = f"{name} is never predicted"
    if counts.actual[number] == 0:
        reasons["recall"] = f"no example is {name}"
    return reasons | ({"f1": " and ".join(reasons.values())} if len(reasons) == 2 else {})


def of_nothing(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, str]:
    """Of the positive class's scores those that are 0 / 0, and why; a task without one has none."""
    if task.positive is None:
        return {}
    counts = _counts_of_classes(task, labels_N, predicted_N)
    return _class_reasons(counts, task.labels.index(task.positive), task.positive)


def _f1_of(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _bounded(
    values: Mapping[str, float | None], bounds: NamedBounds, reasons: dict[str, str]
) -> dict[str, Any]:
    """Each value between its bounds, as `name`, `name_low`, `name_high`; and `undefined`, if any is."""
    figures: dict[str, Any] = {}
    for name, value in values.items():
        limits = bounds[name]
        low, high = (None, None) if limits is None else limits
        figures |= {name: None if limits is None else value, f"{name}_low": low, f"{name}_high": high}
    return figures | ({"undefined": reasons} if reasons else {})
