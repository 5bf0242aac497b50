"""Two models on the same examples: by how much they differ, and whether by more than chance.

Accuracy has McNemar's exact test (McNemar 1947) and the adjusted Wald interval of Bonett and Price (2012),
which keeps a width where few predictions differ. The other scores have a paired bootstrap (Efron and
Tibshirani 1993, chapters 13 and 16): its percentile interval, and as p twice the smaller share of resamples
on either side of no difference. An example counts only through its label and what each model says of it, so
it is the counts of those combinations that are drawn, all at once: that is exactly the bootstrap of the
examples.

Many comparisons at once are corrected by Holm's method (Holm 1979).

Runs that differ only in their seed are a family. The difference between two families' means varies with the
examples, which both share, and with the seeds, which they do not: its variance is that of the paired
bootstrap plus s^2 / k of each family, its interval Student's t with the degrees of freedom of Welch and
Satterthwaite (after Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021).

Legend: N examples, M models, S runs of a family, K combinations that occur, C classes, R resamples.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from stages.lib.intervals import Counts, all_scores
from stages.lib.task import Task

RESAMPLES_AT_ONCE = 1_000


class Difference(NamedTuple):
    """New less old: above 0 the new model is better."""

    old: float
    new: float
    difference: float
    low: float
    high: float
    p: float  # two-sided, of no difference


class Flips(NamedTuple):
    """Numbers of examples."""

    changed: int  # the models say different classes
    fixed: int  # the old model is wrong, the new one right
    broken: int  # the old model is right, the new one wrong


class Combinations(NamedTuple):
    """What occurs among the examples, and how often."""

    labels: np.ndarray  # [K]
    predicted: np.ndarray  # [M, K]
    counts: np.ndarray  # [K]


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
    """Every flat score of stages/lib/scores.py; class numbers in, at least one example."""
    found = combinations(labels_N, np.stack([old_N, new_N]))
    return compare_counts(task, found, resamples=resamples, confidence=confidence, seed=seed)


def compare_counts(
    task: Task, found: Combinations, *, resamples: int, confidence: float, seed: int
) -> dict[str, Difference]:
    """The same from the counts of combinations of two models, in the order old, new."""
    old, new = (all_scores(task, counts) for counts in counts_of(found, found.counts[None], len(task.labels)))
    old_R, new_R = resampled(task, found, resamples, seed)
    results = {"accuracy": accuracy_difference(found, confidence)}
    for name in old:
        if name != "accuracy":
            draws_R = new_R[name] - old_R[name]
            low, high = np.quantile(draws_R, [(1 - confidence) / 2, (1 + confidence) / 2])
            values = old[name].item(), new[name].item()
            results[name] = Difference(
                *values, values[1] - values[0], float(low), float(high), bootstrap_p(draws_R)
            )
    return results


def accuracy_difference(found: Combinations, confidence: float) -> Difference:
    flips, n = flips_of(found), int(found.counts.sum())
    old, new = (float(found.counts[said_K == found.labels].sum() / n) for said_K in found.predicted)
    return Difference(old, new, new - old, *bonett_price(flips, n, confidence), mcnemar(flips))


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
    """`old_SN` and `new_SN` hold what each run of the family says: two runs or more, not the same number."""
    split = len(old_SN)
    found = combinations(labels_N, np.concatenate([old_SN, new_SN]))
    runs = [all_scores(task, counts) for counts in counts_of(found, found.counts[None], len(task.labels))]
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
    }


def _of_families(
    old_S: list[float], new_S: list[float], draws_R: np.ndarray, n: int, confidence: float
) -> Difference:
    old, new = float(np.mean(old_S)), float(np.mean(new_S))
    parts = [  # variance and degrees of freedom: of the examples, and of the seeds of either family
        (float(np.var(draws_R)), n - 1),
        *((float(np.var(of, ddof=1)) / len(of), len(of) - 1) for of in (old_S, new_S)),
    ]
    variance = sum(part for part, _ in parts)
    difference = new - old
    if variance == 0:
        return Difference(old, new, difference, difference, difference, float(difference == 0))
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = variance**0.5
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom) * error)
    p = 2 * stats.t.sf(abs(difference) / error, freedom)
    return Difference(old, new, difference, difference - reach, difference + reach, float(p))


def combinations(labels_N: np.ndarray, predicted_MN: np.ndarray) -> Combinations:
    rows, counts_K = np.unique(np.vstack([labels_N, predicted_MN]).astype(int), axis=1, return_counts=True)
    return Combinations(rows[0], rows[1:], counts_K)


def flips_of(found: Combinations) -> Flips:
    """Of two models, in the order old, new."""
    old_K, new_K = found.predicted
    right_old_K, right_new_K = old_K == found.labels, new_K == found.labels
    kinds = (old_K != new_K, right_new_K & ~right_old_K, right_old_K & ~right_new_K)
    return Flips(*(int(found.counts[kind_K].sum()) for kind_K in kinds))


def counts_of(found: Combinations, drawn_RK: np.ndarray, classes: int) -> Iterator[Counts]:
    """Each model's counts, [R, C], where the combinations occur so often."""
    is_actual_KC = np.eye(classes)[found.labels]
    actual_RC = drawn_RK @ is_actual_KC
    for predicted_K in found.predicted:
        is_predicted_KC = np.eye(classes)[predicted_K]
        yield Counts(drawn_RK @ (is_actual_KC * is_predicted_KC), actual_RC, drawn_RK @ is_predicted_KC)


def resampled(task: Task, found: Combinations, resamples: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Each model's scores, [R], on the same resamples of the examples."""
    rng, n = np.random.default_rng(seed), int(found.counts.sum())
    blocks: list[list[dict[str, np.ndarray]]] = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, resamples - start)
        drawn_RK = rng.multinomial(n, found.counts / n, size=size).astype(float)
        blocks.append([all_scores(task, counts) for counts in counts_of(found, drawn_RK, len(task.labels))])
    return [
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in zip(*blocks, strict=True)
    ]


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
