"""Give every example a role, and leave out of training whatever copies an evaluation example.

A role that the source lacks is made from its training rows: by a hash of the row's original text and the
seed, so that copies stay together and a new, edited or relabelled row moves no other one; by a hash of the
row's group; or from the newest rows.
"""

from typing import Any

import polars as pl
from pydantic import Field

from stages.lib.exceptions import ConfigError
from stages.lib.hashes import hash_of
from stages.lib.label_counts import label_counts
from stages.lib.params import StageParams, load_params
from stages.lib.splits.copies import Copies, find_copies, linked, why_copies_go
from stages.lib.splits.copy_counts import count_copies
from stages.lib.splits.copy_keys import as_keys, normalised
from stages.lib.splits.described import describe
from stages.lib.splits.drift import drift_from_train
from stages.lib.splits.made_roles import (
    MADE,
    column_of,
    count_groups,
    group_keys,
    roles_by_hash,
    roles_by_time,
    shares_to_make,
)
from stages.lib.splits.shares import difference, lacking
from stages.lib.splits.trainable import check_trainable
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, write_json, write_parquet
from stages.lib.task import Task, is_unlabelled, read_task


class Params(StageParams):
    seed: int
    validation_fraction: float = Field(gt=0, lt=0.5)
    test_fraction: float = Field(gt=0, lt=0.5)
    group: str | None
    time: str | None
    near_copies: float | None = Field(ge=0.5, le=1)
    train_rows: int | None = Field(ge=1)


def choose_roles(table: pl.DataFrame, keys: pl.Series, task: Task, params: Params) -> pl.Series:
    """The source's roles, with validation and test made from train where the source has none.

    Raises ConfigError for a column that is not there, DataError for a time that cannot be read.
    """
    if params.group is not None and params.time is not None:
        raise ConfigError(
            "params.yaml: split.group and split.time are both set; the newest rows seldom are whole groups: "
            "set one of the two to null"
        )
    fractions = {"test": params.test_fraction, "validation": params.validation_fraction}
    shares = shares_to_make(table["role"], fractions)
    if params.time is not None:
        times = column_of(table, "split.time", params.time, task.kept)
        return roles_by_time(table, times, shares)
    if params.group is not None:
        groups = column_of(table, "split.group", params.group, ["id", *task.kept])
        keys = group_keys(groups, keys)
    return roles_by_hash(table["role"], keys, shares, params.seed)


def count_made_by(table: pl.DataFrame, before: pl.Series, task: Task, params: Params) -> dict[str, Any]:
    """What the roles were made by, where it is a column; {} where it is the text."""
    if params.time is not None:
        times = column_of(table, "split.time", params.time, task.kept)
        return {"time": params.time, "rows_without": int((times.is_null() & (before == "train")).sum())}
    if params.group is not None:
        groups = column_of(table, "split.group", params.group, ["id", *task.kept])
        without = int((groups.is_null() & (before == "train")).sum())
        return {"group": params.group, "rows_without": without} | count_groups(table["role"], groups)
    return {}


def reasons_to_leave_out(table: pl.DataFrame, copies: Copies, task: Task) -> pl.Series:
    """Why a row is left out: it has no label, it copies a row of a role that goes before its own, or it would
    train though a person found it ambiguous. Ambiguous rows still judge: a test without hard cases flatters.
    """
    meant = [role for role in table["role"].unique() if is_unlabelled(role)]
    unlabelled = table["label"].is_null() & ~table["role"].is_in(meant)
    copied = (
        why_copies_go(copies) if task.copies == "remove" else pl.repeat(None, len(table), dtype=pl.String)
    )
    training = pl.Series(table["role"] == "train")
    ambiguous = training & table["ambiguous"] if "ambiguous" in table.columns else pl.lit(False)
    reason = pl.when(unlabelled).then(pl.lit("no label")).otherwise(copied)
    reason = pl.coalesce(reason, pl.when(ambiguous).then(pl.lit("ambiguous")))
    return table.select(left_out=reason).to_series()


def keep_train_rows(table: pl.DataFrame, keys: pl.Series, params: Params) -> pl.Series:
    """`left_out` with the training rows beyond `train_rows` in it: fewer rows are always a part of more."""
    if params.train_rows is None:
        return table["left_out"]
    rows = table.select("left_out", training=(pl.col("role") == "train") & pl.col("left_out").is_null())
    # another hash than the role's, whose low ends are the evaluation roles
    places = [hash_of(f"train_rows\0{params.seed}\0{key}") for key in keys]
    order = pl.Series(places, dtype=pl.UInt64).to_frame("place").with_row_index("row")
    order = order.filter(rows["training"]).sort("place", "row")
    beyond = order["row"].slice(params.train_rows)
    is_beyond = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(beyond.implode())
    reason = pl.when(is_beyond).then(pl.lit("beyond split.train_rows")).otherwise("left_out")
    return rows.select(left_out=reason).to_series()


def count(
    table: pl.DataFrame, before: pl.Series, copies: Copies, task: Task, made_by: dict[str, Any]
) -> dict[str, Any]:
    """What was made, kept and left out; rows in = rows in use + rows left out."""
    used = in_use(table)
    parts = used.select("role", "label").drop_nulls("label").sort("role").partition_by("role", as_dict=True)
    labels = {str(role): part["label"] for (role,), part in parts.items()}
    brought = set(before.unique())
    made = [role for role in MADE if role in labels and role not in brought]
    return {
        "rows": len(table),
        "in_use": len(used),
        "left_out": len(table) - len(used),
        "left_out_because": _counts(table["left_out"].drop_nulls()),
        "roles": _counts(used["role"]),
        "made_by": made_by,
        "moved": _counts(table["role"].filter(table["role"] != before)),
        "labels": {role: label_counts(part) for role, part in labels.items()},
        "shares": {role: difference(labels[role], labels["train"], task) for role in made},
        "lacking": {role: found for role, part in labels.items() if (found := lacking(part, task))},
        "drift": drift_of(table, copies, task),
        **({"ambiguous": _counts(table.filter("ambiguous")["role"])} if "ambiguous" in table.columns else {}),
    } | count_copies(table, copies, task)


def drift_of(table: pl.DataFrame, copies: Copies, task: Task) -> dict[str, dict[str, Any]]:
    """Of the rows in use whose text has no copy, as the model reads them."""
    pairs, texts = copies.near.pairs, copies.texts
    near = pl.concat([pairs["first"], pairs["second"]]).unique()
    alone = texts.filter(pl.col("rows") == 1).join(near.to_frame("text"), on="text", how="anti")
    rows = in_use(table[alone["row"].sort()])
    read = rows.select(pl.concat_str(task.text_columns, separator=" ", ignore_nulls=True)).to_series()
    return drift_from_train(read.str.to_lowercase(), rows["role"])


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts(sort=True).iter_rows())


def main(*, task: InPath, cleaned: InPath, splits: OutPath, copies: OutPath, metrics: OutPath) -> None:
    params = load_params("split", Params)
    what = read_task(task)
    table = pl.read_parquet(cleaned)
    written, before = normalised(table, what), table["role"]
    keys = as_keys(written)
    table = table.with_columns(role=choose_roles(table, keys, what, params))
    found = find_copies(table, written, params.near_copies)
    table = table.with_columns(left_out=reasons_to_leave_out(table, found, what))
    table = table.with_columns(left_out=keep_train_rows(table, keys, params))
    check_trainable(table, what)
    write_parquet(table, splits)
    write_parquet(linked(table, found), copies)
    numbers = count(table, before, found, what, count_made_by(table, before, what, params))
    write_json(numbers, metrics)
    print(describe(numbers))


if __name__ == "__main__":
    run(main)
