"""How often each label occurs."""

from collections import Counter

import polars as pl


def label_counts(labels: pl.Series) -> dict[str, int]:
    """Name -> rows that have it, in the order of their first row; {} for the numbers of a regression.

    `labels` are names as in stages/lib/labels.py. Of several labels a row each counts.
    """
    if labels.dtype.is_numeric():
        return {}
    if labels.dtype == pl.List:
        labels = labels.drop_nulls().list.explode(empty_as_null=False, keep_nulls=False)
    return dict(Counter(labels.drop_nulls().to_list()))
