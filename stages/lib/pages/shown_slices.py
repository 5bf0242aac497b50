"""Weak slices, the words that mistakes over-use and clusters, as pages show them."""

from typing import Any

import polars as pl

from stages.lib.pages.failure_findings import telling_words, weak_slices
from stages.lib.pages.on_role import OnRole

View = dict[str, Any]


def shown_slices(on: OnRole, most: int) -> View:
    """The weak ones, what they cost most first; `worst` is the error at which a bar is full."""
    weak = weak_slices(on)
    tested = on.numbers[on.role].get("slices", {}).get("tested", 0)
    rows = weak.head(most).to_dicts()
    return {
        "tested": tested,
        "found": len(weak),
        "rows": rows,
        "worst": max((row["high"] + row["rest_error"] for row in rows), default=1.0),
    }


def shown_words(on: OnRole, most: int) -> View:
    words = telling_words(on)
    return {"found": len(words), "rows": words.head(most).to_dicts()}


def shown_clusters(on: OnRole, most: int) -> list[View]:
    """The largest ones of all roles, with how the model does on their examples of the role."""
    clusters = on.table("clusters")
    if clusters.is_empty():
        return []
    kinds = on.rows("slices")
    slices = {} if kinds.is_empty() else _slice_of_cluster(kinds)
    rows = clusters.sort("n", "cluster", descending=[True, False]).head(most)
    return [row | {"slice": slices.get(row["name"])} for row in rows.iter_rows(named=True)]


def _slice_of_cluster(slices: pl.DataFrame) -> dict[str, View]:
    rows = slices.filter(pl.col("kind") == "cluster")
    return {row["name"]: row for row in rows.iter_rows(named=True)}
