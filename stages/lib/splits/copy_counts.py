"""How many copies there are, between which roles, and how many of them contradict each other."""

from typing import Any

import polars as pl

from stages.lib.splits.copies import EXACT, LAST, NEAR, Copies, label_texts, precedence_of
from stages.lib.splits.copy_keys import as_keys
from stages.lib.task import Task


def count_copies(table: pl.DataFrame, copies: Copies, task: Task) -> dict[str, Any]:
    """`table` has role, label, left_out and the original texts."""
    labels = label_texts(table["label"])
    originals = [pl.col(f"{column}_original").fill_null("") for column in task.text_columns]
    rows = table.select("role", "left_out").with_columns(
        text=copies.text_of_rows, as_written=as_keys(table.select(originals))
    )
    return _contradictions(rows["text"], labels) | {
        "as_written": _contradictions(rows["as_written"], labels),
        "near_copies": _near(copies, labels),
        "copies_within": _within(rows, copies.near.pairs),
        "copies_between": _between(rows, copies.near.pairs),
    }


def _contradictions(texts: pl.Series, labels: pl.Series) -> dict[str, int]:
    """Of labelled rows: those beyond the first that read the same, and texts that carry several labels."""
    rows = pl.DataFrame({"text": texts, "label": labels}).drop_nulls("label")
    found = rows.group_by("text").agg(pl.len(), labels=pl.col("label").n_unique())
    return {
        "copies": int((found["len"] - 1).sum()),
        "texts_with_contradicting_labels": int((found["labels"] > 1).sum()),
    }


def _near(copies: Copies, labels: pl.Series) -> dict[str, int]:
    """Of distinct texts; their labels are those of their first rows."""
    label_T, pairs = labels[copies.texts["row"]], copies.near.pairs
    differ = label_T[pairs["first"]] != label_T[pairs["second"]]
    return {
        "pairs": len(pairs),
        "texts": pl.concat([pairs["first"], pairs["second"]]).n_unique(),
        "pairs_with_contradicting_labels": int(differ.sum()),
        "texts_in_a_crowd": copies.near.crowded,
    }


def _within(rows: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Role -> texts that stand there more than once, and those that have a near copy there."""
    near = _near_by_roles(rows, pairs).filter(pl.col("role") == pl.col("other"))
    counts = {
        role: {"texts_as_written": 0, "texts": 0, "near_copies": 0} for role in rows["role"].unique().sort()
    }
    for column, name in (("as_written", "texts_as_written"), ("text", "texts")):
        often = rows.group_by("role", column).len().filter(pl.col("len") > 1)
        _enter(counts, name, often.group_by("role").len())
    _enter(counts, "near_copies", near.group_by("role").agg(pl.col("text").n_unique()))
    return counts


def _enter(counts: dict[str, dict[str, int]], name: str, found: pl.DataFrame) -> None:
    for role, number in found.iter_rows():
        counts[role][name] = number


def _between(rows: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Role -> role that goes before it -> texts that stand in both, and rows that were left out for it."""
    roles = sorted(rows["role"].unique(), key=_order)
    near = _near_by_roles(rows, pairs)
    return {
        role: {other: _of_two(rows, near, role, other) for other in roles[:place]}
        for place, role in enumerate(roles)
        if place
    }


def _order(role: str) -> tuple[int, str]:
    rank = precedence_of(role)
    return LAST if rank is None else rank, role


def _of_two(rows: pl.DataFrame, near: pl.DataFrame, role: str, other: str) -> dict[str, int]:
    later, earlier = rows.filter(pl.col("role") == role), rows.filter(pl.col("role") == other)
    nearly = near.filter(pl.col("role") == role, pl.col("other") == other)["text"].unique()
    return {
        "texts_as_written": _common(later["as_written"], earlier["as_written"]),
        "texts": _common(later["text"], earlier["text"]),
        "near_copies": len(nearly),
        "rows_left_out": int((later["left_out"] == EXACT.format(other)).sum()),
        "near_copies_left_out": int((later["left_out"] == NEAR.format(other)).sum()),
    }


def _common(values: pl.Series, others: pl.Series) -> int:
    return len(values.unique().to_frame().join(others.unique().to_frame(), on=values.name, how="semi"))


def _near_by_roles(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """text of role, and the other role of a near copy of it: once each."""
    roles = rows.select("text", "role").unique()
    mirrored = pairs.select(text="second", of="first")
    both = pl.concat([pairs.select(text="first", of="second"), mirrored])
    found = both.join(roles, on="text").join(roles.select(of="text", other="role"), on="of")
    return found.select("text", "role", "other").unique()
