"""Copies, exact and near: which rows are left out for them, and who copies whom.

Copies are judged by distinct texts (of a pair: both texts), as copy_keys has them. Evaluation sets go before
validation, validation before train. Unlabelled rows cost no one anything: they, and rows of other roles that
have no label, have no precedence.
"""

from typing import NamedTuple

import polars as pl

from stages.lib.splits.copy_keys import as_keys
from stages.lib.splits.near_copies import NearCopies, find_near_copies, no_near_copies
from stages.lib.task import is_unlabelled

EXACT, NEAR = "copy of a {} example", "near copy of a {} example"  # the reasons, with the role that stays
LINKS = 5  # of each text, to the near copies before it
LINK = ("row", "other", "exact", "similarity", "order")
LAST = 3  # behind the precedence of train


class Copies(NamedTuple):
    """The distinct text of each row and its precedence, and what is known of the texts, in that order.

    `texts` has text, row (its first), rows (how many), role and rank of that first row. `near` is of texts.
    """

    text_of_rows: pl.Series
    rank_of_rows: pl.Series
    texts: pl.DataFrame
    near: NearCopies


def find_copies(table: pl.DataFrame, written: pl.DataFrame, threshold: float | None) -> Copies:
    """`written` is the table's as normalised; a threshold of null looks for no near copies."""
    keys, ranks = as_keys(written), _precedence(table)
    rows = table.select("role", rank=ranks, order=ranks.fill_null(LAST), key=keys).with_row_index("row")
    counts = rows.group_by("key").agg(rows=pl.len())
    texts = rows.sort("order", "row").unique("key", keep="first", maintain_order=True).join(counts, on="key")
    # by key, not by place: the order in which rows stand in the source decides nothing
    texts = texts.sort("order", "key").with_row_index("text")
    text_N = keys.to_frame("key").join(texts.select("key", "text"), on="key", maintain_order="left")["text"]
    near = no_near_copies() if threshold is None else find_near_copies(written[texts["row"]], threshold)
    return Copies(text_N, ranks, texts.drop("key", "order"), near)


def precedence_of(role: str) -> int | None:
    return None if is_unlabelled(role) else {"train": 2, "validation": 1}.get(role, 0)


def _precedence(table: pl.DataFrame) -> pl.Series:
    rank_of = {role: precedence_of(role) for role in table["role"].unique()}
    rank = pl.col("role").replace_strict(rank_of, return_dtype=pl.Int8)
    return table.select(rank=pl.when(pl.col("label").is_not_null()).then(rank)).to_series()


def why_copies_go(copies: Copies) -> pl.Series:
    """Why a row is left out where it copies one of a role that goes before its own; null elsewhere."""
    texts = copies.texts.select("text", "rank", "role")
    nearest = copies.near.pairs.group_by("second").agg(pl.col("first").min())  # of the first in precedence
    nearest = nearest.join(texts, left_on="first", right_on="text")
    nearest = nearest.select(text="second", near_rank="rank", near_role="role")
    rows = pl.DataFrame({"text": copies.text_of_rows, "row_rank": copies.rank_of_rows})
    rows = rows.join(texts, on="text", how="left", maintain_order="left")
    rows = rows.join(nearest, on="text", how="left", maintain_order="left")
    exact = pl.when(pl.col("row_rank") > pl.col("rank")).then(pl.format(EXACT, "role")).otherwise(None)
    near = pl.when(pl.col("row_rank") > pl.col("near_rank")).then(pl.format(NEAR, "near_role"))
    return rows.select(reason=pl.coalesce(exact, near.otherwise(None))).to_series()


def linked(table: pl.DataFrame, copies: Copies) -> pl.DataFrame:
    """Each exact copy beside the first row that reads so; the first row of each text beside those of its near
    copies before it, LINKS at most, of the roles that go before it first and then those with another label.

    So the list grows with the rows, however many are alike. `table` has id, role, label and left_out.
    """
    rows = table.select("id", "role", "left_out", label=label_texts(table["label"])).with_row_index("row")
    first_rows = pl.DataFrame({"text": copies.text_of_rows}).with_row_index("row")
    first_rows = first_rows.join(copies.texts.select("text", other="row"), on="text", maintain_order="left")
    exact = first_rows.filter(pl.col("row") != pl.col("other"))
    order = pl.lit(0, pl.UInt32)
    exact = exact.with_columns(order=order, exact=pl.lit(True), similarity=pl.lit(1.0)).select(LINK)
    both = pl.concat([exact, _near_links(copies, rows)])
    found = both.join(rows, on="row").join(rows, left_on="other", right_on="row", suffix="_other")
    return found.sort("row", "exact", "order", descending=[False, True, False]).select(
        "id",
        "role",
        "label",
        "left_out",
        other_id="id_other",
        other_role="role_other",
        other_label="label_other",
        exact="exact",
        similarity="similarity",
        agree=pl.col("label") == pl.col("label_other"),
    )


def _near_links(copies: Copies, rows: pl.DataFrame) -> pl.DataFrame:
    texts = copies.texts.select("text", "rank", "row").join(rows.select("row", "label"), on="row")
    links = copies.near.pairs.join(texts, left_on="second", right_on="text")
    links = links.join(texts, left_on="first", right_on="text", suffix="_first")
    agree = pl.col("label") == pl.col("label_first")
    links = links.with_columns(agree=agree.fill_null(True))
    links = links.sort("second", "rank_first", "agree", -pl.col("similarity"), "first", nulls_last=True)
    links = links.with_columns(order=pl.int_range(pl.len(), dtype=pl.UInt32).over("second"))
    links = links.filter(pl.col("order") < LINKS)
    return links.select("row", "similarity", "order", other="row_first", exact=pl.lit(False)).select(LINK)


def label_texts(labels: pl.Series) -> pl.Series:
    """Labels of any kind as text: equal where the labels are, in whatever order a row names several."""
    if labels.dtype == pl.List:
        return labels.list.sort().list.join(", ")
    return labels.cast(pl.String)
