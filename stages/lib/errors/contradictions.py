"""Copies whose labels disagree: one of the two is wrong, or the text allows both."""

import polars as pl

from stages.lib.task import Task


def contradictions(copies: pl.DataFrame, splits: pl.DataFrame, task: Task) -> pl.DataFrame:
    """id, role, label, text, text_pair?, the same of the other (other_id, ...), similarity, exact.

    Texts as written, labels as names. Rows that split left out are among them: `copies` is of all rows.
    Exact copies first, then the most similar.
    """
    texts = {name: f"{name}_original" for name in task.text_columns}
    rows = splits.select("id", "label", **{name: pl.col(column) for name, column in texts.items()})
    pairs = copies.filter(~pl.col("agree")).select(
        "id", "role", "other_id", "other_role", "similarity", "exact"
    )
    found = pairs.join(rows, on="id").join(rows, left_on="other_id", right_on="id", suffix="_other")
    of_other = {f"other_{name}": pl.col(f"{name}_other") for name in ("label", *texts)}
    columns = ["id", "role", "label", *texts, "other_id", "other_role", *of_other, "similarity", "exact"]
    order = ["exact", "similarity", "id", "other_id"]
    return found.with_columns(**of_other).select(columns).sort(order, descending=[True, True, False, False])
