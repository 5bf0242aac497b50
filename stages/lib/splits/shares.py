"""How the labels of a role differ from those of training, where chance alone gave the rows their roles."""

from collections.abc import Callable
from typing import Any

import polars as pl
from scipy.stats import fisher_exact, ks_2samp

from stages.lib.kinds import Kind
from stages.lib.label_counts import label_counts
from stages.lib.task import Task


def difference(labels: pl.Series, in_train: pl.Series, task: Task) -> dict[str, Any]:
    """What differs most, and `p`: how often as much and more would differ by chance alone."""
    return DIFFERENCE_OF_KINDS[task.kind](labels, in_train, task)


def lacking(labels: pl.Series, task: Task) -> list[str]:
    """The task's labels that none of the rows has."""
    there = label_counts(labels)
    return [label for label in task.labels if label not in there]


def _of_one_label(labels: pl.Series, in_train: pl.Series, task: Task) -> dict[str, Any]:
    """The label with the least p of Fisher's exact test, which Holm multiplies by the number of labels."""
    here, there = label_counts(labels), label_counts(in_train)
    p_of = {
        label: fisher_exact(
            [[here.get(label, 0), len(labels) - here.get(label, 0)], [rows, len(in_train) - rows]]
        ).pvalue
        for label in task.labels
        for rows in [there.get(label, 0)]
    }
    label = min(p_of, key=p_of.__getitem__)
    return {
        "label": label,
        "share": here.get(label, 0) / len(labels),
        "share_in_train": there.get(label, 0) / len(in_train),
        "p": min(1.0, float(p_of[label]) * len(task.labels)),
    }


def _of_the_scores(labels: pl.Series, in_train: pl.Series, task: Task) -> dict[str, Any]:
    """The largest gap between both distribution functions, by the Kolmogorov-Smirnov test."""
    found = ks_2samp(labels.to_numpy(), in_train.to_numpy())
    return {
        "largest_gap": float(found.statistic),
        "at": float(found.statistic_location),
        "p": float(found.pvalue),
    }


DIFFERENCE_OF_KINDS: dict[Kind, Callable[[pl.Series, pl.Series, Task], dict[str, Any]]] = {
    "classification": _of_one_label,
    "regression": _of_the_scores,
    "multi-label": _of_one_label,
}
