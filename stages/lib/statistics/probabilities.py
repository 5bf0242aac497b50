"""How good the probabilities are, and how sure that is: losses, calibration errors, risk against coverage.

The losses are means over the examples: log loss, and Brier's score in its first form (Brier 1950), the sum
over the classes of (p_c - 1[label is c])^2, from 0 to 2. That is scikit-learn's for three classes and more;
for two it halves the sum unless told `scale_by_half=False`. Losses are skewed, so their interval is that of
Hall's transformed t (Hall 1992, "On the removal of skewness by transformation"), which needs no resamples and
covers more often than the bootstrap's percentiles.

The expected calibration error (Guo et al. 2017) puts the examples into bins by the probability of the
predicted class and adds up the gaps between accuracy and mean probability, each weighted by the share of
examples in its bin. Bins have equal width or, adaptive, equal count (Nguyen and O'Connor 2015, Nixon et al.
2019). A gap counts whatever its sign, so chance alone makes it positive: 200 examples of a perfectly
calibrated model show some 0.06. A bootstrap adds its own chance on top and misses the truth; so the interval
comes from inverted tests instead: it holds each value under which the observed error is no surprise
(`calibration_interval`). It is about the error that the same bins would show with examples without end.

Where an example has several labels, each label is a decision of its own under the sigmoid. Its losses are the
means over an example's labels, so the examples stay independent of each other. Decisions within an example
are not, and the calibration error's interval needs them to be: it is left out there, and the reliability
diagram, of all decisions together, takes its place.

Legend: N examples, C classes, D decisions, B bins that are not empty, R simulated test sets, G supposed
truths.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, NoReturn

import numpy as np
import polars as pl
from scipy.special import expit, log_expit, log_softmax, softmax
from scipy.stats import norm

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.statistics.intervals import mean_interval
from stages.lib.statistics.wilson import Bounds, wilson
from stages.lib.task import Task

LEAST_PROBABILITY = float(np.finfo(np.float64).eps)  # scikit-learn's: log loss stays at or below 36.04
LARGEST_LOG_LOSS, LARGEST_BRIER = -float(np.log(LEAST_PROBABILITY)), 2.0
TRUTHS = 24  # supposed truths that are tried; the interval's ends are read off between them


class Bins(NamedTuple):
    """The bins that hold an example, from the least probable to the most, each [B]."""

    n: np.ndarray
    right: np.ndarray  # how many were predicted rightly
    sure: np.ndarray  # mean probability of the predicted class

    @property
    def error(self) -> float:
        return float(np.abs(self.right - self.n * self.sure).sum() / self.n.sum())


def probability_scores(
    logits_NC: np.ndarray, labels_N: np.ndarray, *, bins: int, resamples: int, confidence: float, seed: int
) -> dict[str, float]:
    """log_loss, brier, ece and adaptive_ece, each with `_low` and `_high`; N >= 1.

    The order of the rows changes nothing. Calibration errors are the plain ones; since chance only adds to
    them, most of their interval can lie below.
    """
    log_loss_N, brier_N = _losses(logits_NC, labels_N)
    sure_N, right_N = _top(logits_NC, labels_N)
    figures = _bounded("log_loss", log_loss_N.mean(), mean_interval(log_loss_N, confidence, LARGEST_LOG_LOSS))
    figures |= _bounded("brier", brier_N.mean(), mean_interval(brier_N, confidence, LARGEST_BRIER))
    places = {"ece": equal_width(sure_N, bins), "adaptive_ece": equal_count(sure_N, bins)}
    found = [binned_by(place_N, sure_N, right_N) for place_N in places.values()]

    def interval(binned: Bins) -> Bounds:
        return calibration_interval(binned, resamples, confidence, np.random.default_rng(seed))

    with ThreadPoolExecutor(len(places)) as pool:  # NumPy draws without Python's lock
        intervals = pool.map(interval, found)
    for name, binned, bounds in zip(places, found, intervals, strict=True):
        figures |= _bounded(name, binned.error, bounds)
    return figures


def label_probability_scores(
    logits_NC: np.ndarray, labels_NC: np.ndarray, *, confidence: float
) -> dict[str, float]:
    """log_loss and brier of the labels, averaged over them, each with `_low` and `_high`; N >= 1.

    Brier's score is (p - 1[the label applies])^2 here, from 0 to 1: scikit-learn's of one label.
    """
    logits_NC = np.asarray(logits_NC, np.float64)
    loss_NC = np.minimum(-np.where(labels_NC, log_expit(logits_NC), log_expit(-logits_NC)), LARGEST_LOG_LOSS)
    log_loss_N = np.sort(loss_NC.mean(axis=1))
    brier_N = np.sort(((expit(logits_NC) - labels_NC) ** 2).mean(axis=1))
    log_loss = mean_interval(log_loss_N, confidence, LARGEST_LOG_LOSS)
    figures = _bounded("log_loss", log_loss_N.mean(), log_loss)
    return figures | _bounded("brier", brier_N.mean(), mean_interval(brier_N, confidence, 1.0))


def expected_calibration_error(sure_N: np.ndarray, right_N: np.ndarray, bins: int) -> float:
    """With bins of equal width, from the probability of the predicted class and whether it was right."""
    return binned_by(equal_width(sure_N, bins), sure_N, right_N).error


def reliability(
    task: Task, logits_NC: np.ndarray, labels_N: np.ndarray, *, bins: int, confidence: float
) -> pl.DataFrame:
    """A row a bin of equal width that is not empty: confidence, accuracy with low and high (Wilson), n.

    Of one class out of several, what counts is the predicted one; of several labels an example, each label.
    """
    sure_D, right_D = DECISIONS_OF_KINDS[task.kind](logits_NC, labels_N)
    binned = binned_by(equal_width(sure_D, bins), sure_D, right_D)
    low_B, high_B = _wilsons(binned.right, binned.n, confidence)
    columns = {"confidence": binned.sure, "accuracy": binned.right / binned.n}
    return pl.DataFrame(columns | {"low": low_B, "high": high_B, "n": binned.n})


def risk_coverage(
    logits_NC: np.ndarray, labels_N: np.ndarray, *, confidence: float, points: int
) -> pl.DataFrame:
    """Were only the surest examples decided: coverage, risk with low and high (Wilson), threshold.

    Risk is the share of the covered that is wrong; the threshold is the least probability covered, and
    examples of equal probability are covered together. At most `points` rows, evenly over the coverage; the
    last covers all (Geifman and El-Yaniv 2017).
    """
    sure_N, right_N = _top(logits_NC, labels_N)
    threshold_K, first_K = np.unique(sure_N, return_index=True)
    covered_K, wrong_K = len(sure_N) - first_K[::-1], np.cumsum(~right_N[::-1])[::-1][first_K[::-1]]
    wanted = np.linspace(len(sure_N) / points, len(sure_N), points)
    kept = np.unique(np.searchsorted(covered_K, wanted))
    low, high = _wilsons(wrong_K[kept], covered_K[kept], confidence)
    columns = {"coverage": covered_K[kept] / len(sure_N), "risk": wrong_K[kept] / covered_K[kept]}
    return pl.DataFrame(columns | {"low": low, "high": high, "threshold": threshold_K[::-1][kept]})


def equal_width(sure_N: np.ndarray, bins: int) -> np.ndarray:
    """Bin numbers, [N]; a bin holds its upper edge, as in Guo et al."""
    return np.maximum(np.searchsorted(np.linspace(0, 1, bins + 1), sure_N, side="left") - 1, 0)


def equal_count(sure_N: np.ndarray, bins: int) -> np.ndarray:
    """Bin numbers, [N]; equal probabilities share the bin of their first, so bins are equal up to ties."""
    return np.searchsorted(np.sort(sure_N), sure_N, side="left") * bins // len(sure_N)


def binned_by(place_N: np.ndarray, sure_N: np.ndarray, right_N: np.ndarray) -> Bins:
    n_B = np.bincount(place_N)
    held = n_B > 0
    right_B, total_B = (
        np.bincount(place_N, right_N)[held].astype(np.int64),
        np.bincount(place_N, sure_N)[held],
    )
    return Bins(n_B[held], right_B, total_B / n_B[held])


def calibration_interval(binned: Bins, resamples: int, confidence: float, rng: np.random.Generator) -> Bounds:
    """The calibration errors that the observed one does not contradict (an inverted two-sided test).

    For each of TRUTHS supposed errors the gaps of `direction` are scaled to add up to it, and `resamples`
    test sets are simulated: an error is kept unless the observed one is among the (1 - confidence) / 2
    smallest or largest of its test sets. 0 cannot be too small, so it is only rejected for an observed error
    that is too large. The upper end is never below the observed error, though much of that may be chance.
    """
    supposed_G, gaps_GB = _supposed(binned, confidence)
    too_large_G, too_small_G = _surprise(binned, gaps_GB, resamples, rng)
    tail = (1 - confidence) / 2
    low = _crossing(tail, too_large_G, supposed_G)
    high = _crossing(tail, too_small_G[::-1], supposed_G[::-1])
    if too_small_G[-1] > tail:  # all bins are at accuracy 0 or 1, and it is no surprise: see `_least_error`
        high = max(high, _least_error(binned, confidence))
    return low, max(high, binned.error)


def direction(binned: Bins) -> np.ndarray:
    """How the true gaps between accuracy and probability are likely to be shaped, [B].

    The observed gaps are mostly noise in small bins, so each is drawn toward what all bins have in common
    (a random-effects mean, DerSimonian and Laird 1986), on the scale of p (1 - p): there, a common value is a
    common shift of the log odds.
    """
    n_B, right_B, sure_B = binned
    accuracy_B = (right_B + sure_B) / (
        n_B + 1
    )  # one more example, as right as it is sure: never quite 0 or 1
    scale_B = np.maximum(sure_B * (1 - sure_B), accuracy_B * (1 - accuracy_B)).clip(1e-9)
    shift_B, weight_B = (right_B / n_B - sure_B) / scale_B, n_B * scale_B
    common = np.average(shift_B, weights=weight_B)
    excess = (weight_B * (shift_B - common) ** 2).sum() - (len(n_B) - 1)
    spread = max(0.0, excess) / max(weight_B.sum() - (weight_B**2).sum() / weight_B.sum(), 1e-9)
    common = np.average(shift_B, weights=1 / (spread + 1 / weight_B))
    gap_B: np.ndarray = scale_B * (common + (shift_B - common) * spread / (spread + 1 / weight_B))
    return gap_B if np.abs(gap_B).max() > 1e-9 else -sure_B


def _supposed(binned: Bins, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors around the observed one, [G] ascending, and gaps that have them, [G, B], by the direction."""
    n_B, right_B, sure_B = binned
    share_B, direction_B = n_B / n_B.sum(), direction(binned)
    accuracy_B = (right_B + 1) / (n_B + 2)
    variance_B = np.maximum(accuracy_B * (1 - accuracy_B), sure_B * (1 - sure_B)) * n_B
    chance = np.sqrt(variance_B).sum() / n_B.sum()  # what it adds on average, at most
    reach = (norm.ppf((1 + confidence) / 2) + 1.5) * np.sqrt(variance_B.sum()) / n_B.sum()
    wanted_G = np.linspace(max(0, binned.error - chance - reach), binned.error + reach, TRUTHS)

    def gaps(factor_G: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(sure_B + factor_G[:, None] * direction_B, 0, 1) - sure_B)

    low_G, high_G = np.zeros(TRUTHS), np.full(TRUTHS, 1e6 / np.abs(direction_B).max())
    for _ in range(60):  # no accuracy passes 0 or 1, so errors are not proportional to the factor: bisection
        middle_G = (low_G + high_G) / 2
        short_G = np.abs(gaps(middle_G)) @ share_B < wanted_G
        low_G, high_G = np.where(short_G, middle_G, low_G), np.where(short_G, high_G, middle_G)
    gaps_GB = gaps(low_G)
    return np.abs(gaps_GB) @ share_B, gaps_GB


def _surprise(
    binned: Bins, gaps_GB: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """[G] and [G]: the shares of simulated test sets whose error is at least, at most, the observed one.

    How many examples fall into a bin is held as observed, but for its part in the true error: with no gaps
    the test is exact, and with gaps it allows for a test set that is not divided as the population is.
    """
    n_B, _, sure_B = binned
    n = n_B.sum()
    more_RB = rng.multinomial(n, n_B / n, size=resamples) - n_B
    at_least_G, at_most_G = np.empty(len(gaps_GB)), np.empty(len(gaps_GB))
    for truth, gap_B in enumerate(gaps_GB):
        right_RB = rng.binomial(n_B, np.clip(sure_B + gap_B, 0, 1), size=more_RB.shape)
        error_R = np.abs(right_RB - n_B * sure_B + more_RB * gap_B).sum(axis=1) / n
        at_least_G[truth] = (error_R >= binned.error - 1e-12).mean()
        at_most_G[truth] = (error_R <= binned.error + 1e-12).mean()
    return at_least_G, at_most_G


def _crossing(tail: float, share_G: np.ndarray, supposed_G: np.ndarray) -> float:
    """The first supposed error whose share is above the tail, read off between the truths tried."""
    above_G = share_G > tail
    place = int(above_G.argmax()) if above_G.any() else len(above_G) - 1
    if place == 0 or not above_G[place]:
        return float(supposed_G[place])
    pair = slice(place - 1, place + 1)
    return float(np.interp(tail, share_G[pair], supposed_G[pair]))


def _least_error(binned: Bins, confidence: float) -> float:
    """The calibration error is at least the gap between overall accuracy and mean probability.

    So this is what it can be at most of that, by Wilson's interval of the accuracy: 20 of 20 right at a
    probability of 0.999 do not rule out an accuracy of 0.84.
    """
    n_B, right_B, sure_B = binned
    low, high = _wilsons(right_B.sum(keepdims=True), n_B.sum(keepdims=True), confidence)
    sure = np.average(sure_B, weights=n_B)
    return float(max(sure - low[0], high[0] - sure))


def _losses(logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log loss and Brier score of each example, both ascending (so that sums do not depend on the rows)."""
    logits_NC, rows_N = np.asarray(logits_NC, np.float64), np.arange(len(labels_N))
    probability_NC = softmax(logits_NC, axis=1)
    log_loss_N = np.minimum(-log_softmax(logits_NC, axis=1)[rows_N, labels_N], LARGEST_LOG_LOSS)
    probability_NC[rows_N, labels_N] -= 1
    return np.sort(log_loss_N), np.sort((probability_NC**2).sum(axis=1))


def _top(logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the predicted class and whether it is right, the least sure example first."""
    logits_NC = np.asarray(logits_NC, np.float64)
    sure_N, right_N = softmax(logits_NC, axis=1).max(axis=1), logits_NC.argmax(axis=1) == labels_N
    order_N = np.argsort(sure_N)
    return sure_N[order_N], right_N[order_N]


def _each_label(logits_NC: np.ndarray, labels_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each label and whether it applies, the least probable first."""
    probability_D, applies_D = expit(np.asarray(logits_NC, np.float64)).ravel(), labels_NC.ravel()
    order_D = np.argsort(probability_D, kind="stable")
    return probability_D[order_D], applies_D[order_D]


def no_probabilities(*_: object) -> NoReturn:
    raise DataError("a regression has no probabilities: it has neither a reliability diagram nor curves")


# What each probability is judged by: [D] and [D], the probabilities, and whether it is so.
DECISIONS_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "classification": _top,
    "regression": no_probabilities,
    "multi-label": _each_label,
}


def _wilsons(hits_B: np.ndarray, trials_B: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    bounds = [wilson(hits, trials, confidence) for hits, trials in zip(hits_B, trials_B, strict=True)]
    low_B, high_B = np.array(bounds, np.float64).T
    return low_B, high_B


def _bounded(name: str, value: float, bounds: Bounds) -> dict[str, float]:
    return {name: float(value), f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
