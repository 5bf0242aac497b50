"""Errors of a task with several labels as pages show them: a table by label, and what stands for what."""

from typing import Any

import polars as pl

from stages.lib.statistics.predictions import FINETUNED

View = dict[str, Any]


def label_rows(by_label: pl.DataFrame, baselines: list[str], by_class: View) -> list[View]:
    """A label a row, the most frequent first, with every model's F1.

    `by_class` is the fine-tuned model's in metrics/evaluate.json: the ends of F1's interval.
    """
    ours = by_label.filter(pl.col("model") == FINETUNED).sort("n", descending=True, maintain_order=True)
    f1_of = {(model, label): f1 for model, label, f1 in by_label.select("model", "label", "f1").iter_rows()}
    return [
        row
        | {"low": by_class[row["label"]]["f1_low"], "high": by_class[row["label"]]["f1_high"]}
        | {"against": {name: f1_of[name, row["label"]] for name in baselines}}
        for row in ours.iter_rows(named=True)
    ]


def frequent_misses(missed: pl.DataFrame, by_label: pl.DataFrame, most: int) -> list[View]:
    """The fine-tuned model's, with the share of the examples that have the missed label."""
    n_of = dict(by_label.filter(pl.col("model") == FINETUNED).select("label", "n").iter_rows())
    ours = missed.filter(pl.col("model") == FINETUNED).head(most)
    return [
        row | {"share": None if row["missed"] is None else row["count"] / n_of[row["missed"]]}
        for row in ours.iter_rows(named=True)
    ]
