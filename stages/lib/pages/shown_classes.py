"""Mistakes of a classification as pages show them: confusion matrices and the most frequent confusions."""

from typing import Any

import numpy as np
import polars as pl

OTHERS = "all others"

View = dict[str, Any]


def classes_to_show(rows: pl.DataFrame, labels: list[str], most: int) -> list[str]:
    """In the task's order; of more than `most`, those with the most mistakes, as actual or as predicted."""
    mistakes = rows.filter(pl.col("label") != pl.col("predicted"))
    involved = pl.concat([mistakes["label"], mistakes["predicted"].alias("label")])
    n_of = dict(involved.value_counts().iter_rows())
    ranked = sorted(labels, key=lambda label: -n_of.get(label, 0))
    return [label for label in labels if label in ranked[:most]]


def matrix(confusion: pl.DataFrame, labels: list[str], shown: list[str]) -> View:
    """One model's confusion matrix; classes that are not shown are one. Shares are of the actual class."""
    classes = shown if len(shown) == len(labels) else [*shown, OTHERS]
    place_of = {label: classes.index(label if label in shown else OTHERS) for label in labels}
    counts_CC = np.zeros((len(classes), len(classes)), dtype=int)
    for actual, predicted, count in confusion.select("actual", "predicted", "count").iter_rows():
        counts_CC[place_of[actual], place_of[predicted]] += count
    totals_C = counts_CC.sum(axis=1)
    shares_CC = counts_CC / np.maximum(totals_C, 1)[:, None]
    return {
        "classes": classes,
        "counts": counts_CC.tolist(),
        "totals": totals_C.tolist(),
        "shares": shares_CC.tolist(),
    }


def frequent_confusions(confusion: pl.DataFrame, most: int) -> list[View]:
    """One model's mistakes by actual and predicted class, the most frequent first."""
    mistakes = confusion.filter(pl.col("actual") != pl.col("predicted"), pl.col("count") > 0)
    return mistakes.sort("count", descending=True, maintain_order=True).head(most).to_dicts()
