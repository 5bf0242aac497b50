"""Two models on the same examples: by how much they differ, and whether by more than chance.

A score that is a share of the examples (accuracy, subset accuracy) has McNemar's exact test (McNemar 1947)
and the adjusted Wald interval of Bonett and Price (2012), which keeps a width where few predictions differ;
one that is a mean of errors (mae) has Student's paired t. The other scores of classes have a paired bootstrap
(Efron and Tibshirani 1993, chapters 13 and 16): its percentile interval, and as p twice the smaller share of
resamples on either side of no difference. Those of numbers have the paired jackknife's standard error and
Student's t, which cover more often than percentiles do, by up to four points (docs/decisions/intervals.md).

Many comparisons at once are corrected by Holm's method (Holm 1979).

Runs that differ only in their seed are a family. The difference between two families' means varies with the
examples, which both share, and with the seeds, which they do not: its variance is that of the paired
bootstrap plus s^2 / k of each family, its interval Student's t with the degrees of freedom of Welch and
Satterthwaite (after Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021).

Labels and predictions are arrays of stages/lib/labels.py.

Legend: N examples, S runs of a family, K combinations that occur, R resamples.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from stages.lib.kinds import Kind
from stages.lib.statistics.intervals import Sampling, jackknife_error
from stages.lib.statistics.resampling import Combinations, combinations, jackknifed, resampled, scores_of
from stages.lib.task import Task


class Difference(NamedTuple):
    """New less old. Above 0 the new model is better, but for a score that is the better the lower it is."""

    old: float
    new: float
    difference: float
    low: float
    high: float
    p: float  # two-sided, of no difference


class Flips(NamedTuple):
    """Numbers of examples."""

    changed: int  # the models say different classes, or different sets of labels
    fixed: int  # the old model is wrong, the new one right
    broken: int  # the old model is right, the new one wrong


def compare(
    task: Task,
    labels_N: np.ndarray,
    old_N: np.ndarray,
    new_N: np.ndarray,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Difference]:
    """Every flat score that is a number for both models, a share of nothing being 0; at least one example."""
    found = combinations(labels_N, np.stack([old_N, new_N]))
    return compare_counts(task, found, resamples=resamples, confidence=confidence, seed=seed)


def compare_counts(
    task: Task, found: Combinations, *, resamples: int, confidence: float, seed: int
) -> dict[str, Difference]:
    """The same from the counts of combinations of two models, in the order old, new."""
    sampling = Sampling(resamples, confidence, seed)
    by_example = {task.facts.example_score: example_difference_of(task, found, confidence)}
    return DIFFERENCES_OF_KINDS[task.kind](task, found, sampling) | by_example


def bootstrapped(task: Task, found: Combinations, sampling: Sampling) -> dict[str, Difference]:
    old_R, new_R = resampled(task, found, sampling.resamples, sampling.seed)
    tails = [(1 - sampling.confidence) / 2, (1 + sampling.confidence) / 2]
    differences = {}
    for name, (old, new) in _values(task, found).items():
        draws_R = new_R[name] - old_R[name]
        low, high = np.quantile(draws_R, tails)
        differences[name] = Difference(old, new, new - old, float(low), float(high), bootstrap_p(draws_R))
    return differences


def by_jackknife(task: Task, found: Combinations, sampling: Sampling) -> dict[str, Difference]:
    """Of the scores that are defined for both models, also without any one group of the examples."""
    (old, new), alike_G = jackknifed(task, found, sampling.seed)
    changes = {name: new[name] - old[name] for name in old}
    return {
        name: _by_t(*values, jackknife_error(changes[name], alike_G), alike_G.sum() - 1, sampling.confidence)
        for name, values in _values(task, found).items()
        if not np.isnan([*values, changes[name].sum()]).any()
    }


DIFFERENCES_OF_KINDS: dict[Kind, Callable[[Task, Combinations, Sampling], dict[str, Difference]]] = {
    "classification": bootstrapped,
    "regression": by_jackknife,
    "multi-label": bootstrapped,
}


def _values(task: Task, found: Combinations) -> dict[str, tuple[float, float]]:
    """Score -> the old model's and the new one's."""
    old, new = scores_of(task, found, found.counts[None])
    return {name: (old[name].item(), new[name].item()) for name in old}


def _by_t(old: float, new: float, error: float, freedom: float, confidence: float) -> Difference:
    """By Student's t; an error of 0 says nothing of chance, and only equal values are no difference."""
    change = new - old
    if error == 0:
        return Difference(old, new, change, change, change, float(change == 0))
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom) * error)
    p = float(2 * stats.t.sf(abs(change) / error, freedom))
    return Difference(old, new, change, change - reach, change + reach, p)


def better(task: Task, name: str, difference: Difference) -> Difference:
    """Turned round where lower is better, so that above 0 the new model is the better one."""
    if not task.lower_is_better(name):
        return difference
    old, new, change, low, high, p = difference
    return Difference(old, new, -change, -high, -low, p)


def example_difference(
    task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray, confidence: float
) -> Difference:
    """Of the score that is a mean over the examples; no bootstrap."""
    return example_difference_of(task, combinations(labels_N, np.stack([old_N, new_N])), confidence)


def example_difference_of(task: Task, found: Combinations, confidence: float) -> Difference:
    return EXAMPLE_DIFFERENCE_OF_KINDS[task.kind](found, confidence)


def accuracy_difference(found: Combinations, confidence: float) -> Difference:
    """Of shares that are right, be it the class or the whole set of labels."""
    flips, n = flips_of(found), int(found.counts.sum())
    old, new = (float(found.counts[_right(found, said)].sum() / n) for said in found.predicted)
    return Difference(old, new, new - old, *bonett_price(flips, n, confidence), mcnemar(flips))


def mean_error_difference(found: Combinations, confidence: float) -> Difference:
    """Of mean absolute errors: Student's paired t; a single example says nothing of chance."""
    old_K, new_K = np.abs(found.predicted - found.labels)
    old, new = (float(np.average(error_K, weights=found.counts)) for error_K in (old_K, new_K))
    n = found.counts.sum()
    if n == 1:
        return Difference(old, new, new - old, new - old, new - old, 1.0)
    square = float(np.average((new_K - old_K - (new - old)) ** 2, weights=found.counts))
    return _by_t(old, new, (square / (n - 1)) ** 0.5, n - 1, confidence)


EXAMPLE_DIFFERENCE_OF_KINDS: dict[Kind, Callable[[Combinations, float], Difference]] = {
    "classification": accuracy_difference,
    "regression": mean_error_difference,
    "multi-label": accuracy_difference,
}


def compare_families(
    task: Task,
    labels_N: np.ndarray,
    old_SN: np.ndarray,
    new_SN: np.ndarray,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Difference]:
    """`old_SN` and `new_SN` hold what each run of the family says: two runs or more, not the same number.

    A score that is undefined for one of the runs is left out.
    """
    split = len(old_SN)
    found = combinations(labels_N, np.concatenate([old_SN, new_SN]))
    runs = scores_of(task, found, found.counts[None])
    drawn = resampled(task, found, resamples, seed)
    return {
        name: _of_families(
            [run[name].item() for run in runs[:split]],
            [run[name].item() for run in runs[split:]],
            np.mean([draws[name] for draws in drawn[split:]], axis=0)
            - np.mean([draws[name] for draws in drawn[:split]], axis=0),
            len(labels_N),
            confidence,
        )
        for name in runs[0]
        if not any(np.isnan(run[name].item()) for run in runs)
    }


def _of_families(
    old_S: list[float], new_S: list[float], draws_R: np.ndarray, n: int, confidence: float
) -> Difference:
    old, new = float(np.mean(old_S)), float(np.mean(new_S))
    if n == 1:  # which says nothing of chance
        return Difference(old, new, new - old, new - old, new - old, 1.0)
    parts = [  # variance and degrees of freedom: of the examples, and of the seeds of either family
        (float(np.nanvar(draws_R)), n - 1),
        *((float(np.var(of, ddof=1)) / len(of), len(of) - 1) for of in (old_S, new_S)),
    ]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts) if variance else np.inf
    return _by_t(old, new, variance**0.5, freedom, confidence)


def flips(task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray) -> Flips | None:
    """None where predictions are numbers: nearly all change, and none is right or wrong."""
    count = FLIPS_OF_KINDS[task.kind]
    return None if count is None else count(combinations(labels_N, np.stack([old_N, new_N])))


def flips_of(found: Combinations) -> Flips:
    """Of two models, in the order old, new."""
    old, new = found.predicted
    right_old_K, right_new_K = _right(found, old), _right(found, new)
    kinds = (~_same(old, new), right_new_K & ~right_old_K, right_old_K & ~right_new_K)
    return Flips(*(int(found.counts[kind_K].sum()) for kind_K in kinds))


FLIPS_OF_KINDS: dict[Kind, Callable[[Combinations], Flips] | None] = {
    "classification": flips_of,
    "regression": None,
    "multi-label": flips_of,
}


def _right(found: Combinations, said: np.ndarray) -> np.ndarray:
    return _same(found.labels, said)


def _same(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[K]: the same class, or the same whole set of labels."""
    return np.asarray((first == second).reshape(len(first), -1).all(axis=1))


def mcnemar(flips: Flips) -> float:
    """Exact, two-sided: are the examples that one model alone has right shared out by a fair coin?"""
    if flips.fixed + flips.broken == 0:
        return 1.0
    return float(stats.binomtest(flips.fixed, flips.fixed + flips.broken).pvalue)


def bonett_price(flips: Flips, n: int, confidence: float) -> tuple[float, float]:
    """The adjusted Wald interval of the difference in accuracy; within -1 and 1."""
    fixed, broken = (flips.fixed + 1) / (n + 2), (flips.broken + 1) / (n + 2)
    difference = fixed - broken
    reach = float(stats.norm.ppf((1 + confidence) / 2) * ((fixed + broken - difference**2) / (n + 2)) ** 0.5)
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def bootstrap_p(draws_R: np.ndarray) -> float:
    """Two-sided; never 0, since no resample has seen everything."""
    least = min((draws_R <= 0).sum(), (draws_R >= 0).sum())
    return float(min(1.0, 2 * (least + 1) / (len(draws_R) + 1)))


def holm(p_K: list[float]) -> list[float]:
    """The p-values as they are after K tests at once, in the same order."""
    order = np.argsort(p_K, kind="stable")
    factors = len(p_K) - np.arange(len(p_K))
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_K, dtype=float)[order] * factors))
    result = np.empty(len(p_K))
    result[order] = adjusted
    return [float(p) for p in result]
