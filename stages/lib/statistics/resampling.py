"""Resamples of the examples, all models on the same ones: what intervals and comparisons rest on.

An example counts only through its label and what each model says of it, so it is the counts of those
combinations that are drawn, multinomial, many resamples at a time: that is exactly the bootstrap of the
examples (Efron and Tibshirani 1993). The jackknife leaves out one example after the other, or where there are
many, one random group of them after the other (Shao and Tu 1995, section 2.3).

Legend: N examples, M models, K combinations that occur, C classes, R resamples, G groups left out.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from stages.lib.statistics.weighted import Values, weighted_scores
from stages.lib.task import Task

RESAMPLES_AT_ONCE = 1_000
CELLS_AT_ONCE = 4_000_000  # of numbers [R, K]: 32 MB
MOST_GROUPS = 2_000  # of a jackknife


class Combinations(NamedTuple):
    """What occurs among the examples, and how often."""

    labels: np.ndarray  # [K], or of several labels an example [K, C]
    predicted: np.ndarray  # [M, K] or [M, K, C]
    counts: np.ndarray  # [K]


def combinations(labels_N: np.ndarray, predicted_MN: np.ndarray) -> Combinations:
    """Of arrays of stages/lib/labels.py, every kind."""
    rows = np.stack([labels_N, *predicted_MN], axis=1).reshape(len(labels_N), -1)
    if rows.dtype == bool:
        rows = np.packbits(rows, axis=1)  # an eighth to sort
    _, first_K, counts_K = np.unique(rows, axis=0, return_index=True, return_counts=True)
    return Combinations(labels_N[first_K], predicted_MN[:, first_K], counts_K)


def scores_of(task: Task, found: Combinations, drawn_RK: np.ndarray) -> list[Values]:
    """Each model's scores where the combinations occur so often; NaN where undefined."""
    return [weighted_scores(task, found.labels, said_K, drawn_RK) for said_K in found.predicted]


def resampled(task: Task, found: Combinations, resamples: int, seed: int) -> list[Values]:
    """Each model's scores, [R], on the same resamples of the examples."""
    return _joined(scores_of(task, found, drawn_RK) for drawn_RK in draws(found, resamples, seed))


def jackknifed(task: Task, found: Combinations, seed: int) -> tuple[list[Values], np.ndarray]:
    """Each model's scores, [G], without one group, and how many groups are just like that one, [G]."""
    at_once = max(1, CELLS_AT_ONCE // len(found.counts))
    left_out_GK, alike_G = left_out(found, seed)
    parts = (left_out_GK[start : start + at_once] for start in range(0, len(alike_G), at_once))
    return _joined(scores_of(task, found, found.counts - part.toarray()) for part in parts), alike_G


def left_out(found: Combinations, seed: int) -> tuple[csr_array, np.ndarray]:
    """How often each combination occurs in each group, [G, K], and how many groups are just like it, [G].

    Groups are single examples while these are few.
    """
    n, different = int(found.counts.sum()), len(found.counts)
    if n <= MOST_GROUPS:
        return csr_array(np.eye(different)), found.counts
    size = -(-n // MOST_GROUPS)
    places_N = np.random.default_rng(seed).permutation(np.repeat(np.arange(different), found.counts))
    groups_N = np.arange(n) // size
    return csr_array((np.ones(n), (groups_N, places_N))), np.ones(groups_N[-1] + 1)


def _joined(blocks: Iterable[list[Values]]) -> list[Values]:
    return [
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in zip(*blocks, strict=True)
    ]


def draws(found: Combinations, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each combination occurs, [R, K], in as many resamples altogether, some at a time."""
    rng, n = np.random.default_rng(seed), int(found.counts.sum())
    at_once = max(1, min(RESAMPLES_AT_ONCE, CELLS_AT_ONCE // len(found.counts)))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield rng.multinomial(n, found.counts / n, size=size).astype(float)
