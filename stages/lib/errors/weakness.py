"""How wrong each example is, and whether a part of the examples is so by more than chance.

Of classes and of several labels an example is wrong or not: Fisher's exact test (Fisher 1935). Of scores the
absolute errors are compared by the test of Mann and Whitney (1947), by its normal limit with ties. Both are
one-sided, since only parts with more errors are looked for.

Legend: N examples, S parts, H strata.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import sparse
from scipy.special import ndtr
from scipy.stats import hypergeom, rankdata

from stages.lib.errors.example_errors import is_wrong
from stages.lib.kinds import Kind
from stages.lib.statistics.intervals import mean_interval
from stages.lib.statistics.wilson import Bounds, wilson
from stages.lib.task import Task


class Errors(NamedTuple):
    """Of one role."""

    error: np.ndarray  # float64 [N]: 1 where it is wrong and 0 elsewhere, or the absolute error
    score: np.ndarray  # float64 [N], what is summed for the test: the same, or its rank
    counts: bool  # whether errors are mistakes, which can be counted


class Part(NamedTuple):
    """Of the examples, against all the others."""

    n: int
    mistakes: int | None
    error: float
    rest_error: float
    difference: float
    low: float
    high: float


def errors_of(examples: pl.DataFrame, task: Task) -> Errors:
    """`examples` are of data/errors."""
    return ERRORS_OF_KINDS[task.kind](examples)


def _mistakes(examples: pl.DataFrame) -> Errors:
    wrong_N = is_wrong(examples["label"], examples["predicted"]).astype(np.float64)
    return Errors(wrong_N, wrong_N, counts=True)


def _sizes(examples: pl.DataFrame) -> Errors:
    error_N = examples["loss"].to_numpy()
    return Errors(error_N, rankdata(error_N), counts=False)


ERRORS_OF_KINDS: dict[Kind, Callable[[pl.DataFrame], Errors]] = {
    "classification": _mistakes,
    "regression": _sizes,
    "multi-label": _mistakes,
}


def p_of_sums(errors: Errors, n_S: np.ndarray, sum_S: np.ndarray) -> np.ndarray:
    """Of parts of `n_S` examples whose scores add up to `sum_S`: is it more than a random part would have?"""
    N = len(errors.score)
    if errors.counts:
        return np.asarray(hypergeom.sf(sum_S - 1, N, errors.score.sum(), n_S))
    expected_S = n_S * errors.score.mean()
    return _upper_tail(sum_S - expected_S, n_S * (N - n_S) / max(N - 1, 1) * errors.score.var())


def p_within_strata(errors: Errors, members_NS: sparse.csr_array, strata_N: np.ndarray) -> np.ndarray:
    """The same of examples of one stratum with one another, over all strata (Mantel and Haenszel 1959).

    A part that is a stratum, or that has the errors of the strata that it lies in, has nothing left to show.
    """
    N, score_N = len(strata_N), errors.score
    in_HN = sparse.csr_array((np.ones(N), (strata_N, np.arange(N))))
    size_H1 = in_HN.sum(axis=1)[:, None]
    mean_H1 = (in_HN @ score_N)[:, None] / size_H1
    variance_H1 = (in_HN @ score_N**2)[:, None] / size_H1 - mean_H1**2
    n_HS = (in_HN @ members_NS).toarray()
    sum_S = members_NS.T @ score_N
    variance_HS = n_HS * (size_H1 - n_HS) / np.maximum(size_H1 - 1, 1) * np.maximum(variance_H1, 0)
    return _upper_tail(sum_S - (n_HS * mean_H1).sum(axis=0), variance_HS.sum(axis=0))


def _upper_tail(excess_S: np.ndarray, variance_S: np.ndarray) -> np.ndarray:
    """By the normal limit, with the correction for continuity; 1 where nothing varies."""
    spread_S = np.sqrt(variance_S)
    varies_S = spread_S > 1e-9
    z_S = np.where(varies_S, (excess_S - 0.5) / np.where(varies_S, spread_S, 1.0), -np.inf)
    return np.asarray(ndtr(-z_S))


def part_of(errors: Errors, member_N: np.ndarray, confidence: float) -> Part:
    within_N, rest_N = errors.error[member_N], errors.error[~member_N]
    error, rest_error = float(within_N.mean()), float(rest_N.mean())
    low, high = difference_interval(
        error, _bounds(errors, within_N, confidence), rest_error, _bounds(errors, rest_N, confidence)
    )
    mistakes = int(within_N.sum()) if errors.counts else None
    return Part(len(within_N), mistakes, error, rest_error, error - rest_error, low, high)


def _bounds(errors: Errors, error_N: np.ndarray, confidence: float) -> Bounds:
    if not errors.counts:
        return mean_interval(error_N, confidence, np.inf)
    bounds = wilson(int(error_N.sum()), len(error_N), confidence)
    assert bounds is not None  # a part has examples
    return bounds


def difference_interval(first: float, of_first: Bounds, second: float, of_second: Bounds) -> Bounds:
    """Of first less second, which are independent, from the interval of each.

    Of shares with Wilson's intervals it is Newcombe's (1998, method 10); in general Zou and Donner's (2008).
    """
    below = ((first - of_first[0]) ** 2 + (of_second[1] - second) ** 2) ** 0.5
    above = ((of_first[1] - first) ** 2 + (second - of_second[0]) ** 2) ** 0.5
    return first - second - below, first - second + above
