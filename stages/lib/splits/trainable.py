"""Whether anything can be learned from a split, and judged by it."""

from collections.abc import Callable

import polars as pl

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.label_counts import label_counts
from stages.lib.tables import in_use
from stages.lib.task import Task


def check_trainable(table: pl.DataFrame, task: Task) -> None:
    """Raises DataError where no stage could learn or judge anything."""
    rows = in_use(table)
    for role in ("train", "validation", "test"):
        labels = rows.filter(pl.col("role") == role)["label"]
        if labels.is_empty():
            raise DataError(
                f"role {role}: no example is left of {len(table):,} rows; "
                "training, choosing and judging need at least one labelled example each: add rows, "
                "or raise split.validation_fraction and split.test_fraction in params.yaml"
            )
        if role == "train":
            fault = FAULT_OF_KINDS[task.kind](labels)
            if fault:
                raise DataError(f"role train: {fault}")


def _one_class(labels: pl.Series) -> str | None:
    if labels.n_unique() > 1:
        return None
    return (
        f"all {len(labels):,} examples are labelled {labels[0]!r}; "
        "a classifier needs at least two classes: check columns.label and labels in source.yaml"
    )


def _one_score(labels: pl.Series) -> str | None:
    if labels.n_unique() > 1:
        return None
    return (
        f"all {len(labels):,} examples have the score {labels[0]:g}; "
        "a regression needs at least two different ones: check columns.label in source.yaml"
    )


def _no_choice(labels: pl.Series) -> str | None:
    if any(rows < len(labels) for rows in label_counts(labels).values()):
        return None
    return (
        f"every label that occurs stands at all {len(labels):,} examples; at least one label must be on some "
        "and lacking on others: check columns.label, labels and separator in source.yaml"
    )


FAULT_OF_KINDS: dict[Kind, Callable[[pl.Series], str | None]] = {
    "classification": _one_class,
    "regression": _one_score,
    "multi-label": _no_choice,
}
