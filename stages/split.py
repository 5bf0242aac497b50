"""Give every example a role, and leave out of training whatever copies an evaluation example.

A role that the source lacks is made from its training rows. Which row it takes depends only on the row's
original text and the seed, so copies stay together and a new, edited or relabelled row moves no other one.
"""

import hashlib
import unicodedata
from collections.abc import Callable
from typing import Any

import polars as pl
from pydantic import Field

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.label_counts import label_counts
from stages.lib.params import StageParams, load_params
from stages.lib.sources.shares import difference, lacking
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, write_json, write_parquet
from stages.lib.task import Task, is_unlabelled, read_task

MADE = ("test", "validation")  # the roles that are made where the source lacks them, in order of precedence


class Params(StageParams):
    seed: int
    validation_fraction: float = Field(gt=0, lt=0.5)
    test_fraction: float = Field(gt=0, lt=0.5)
    train_rows: int | None = Field(ge=1)


def copy_keys(table: pl.DataFrame, task: Task) -> pl.Series:
    """One string a row, equal for rows that read the same: by case, white space and Unicode form."""
    originals = [table[f"{column}_original"] for column in task.text_columns]
    rows = zip(*originals, strict=True)
    return pl.Series("key", ["\0".join(_normalised(text) for text in row) for row in rows], dtype=pl.String)


def _normalised(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def choose_roles(roles: pl.Series, keys: pl.Series, params: Params) -> pl.Series:
    """The source's roles, with validation and test made from train where the source has none."""
    present = set(roles.unique())
    fractions = {"test": params.test_fraction, "validation": params.validation_fraction}
    shares = {role: fractions[role] for role in MADE if role not in present}
    chosen = [
        _role_of(key, shares, params.seed) if role == "train" else role
        for role, key in zip(roles, keys, strict=True)
    ]
    return pl.Series("role", chosen, dtype=pl.String)


def _role_of(key: str, shares: dict[str, float], seed: int) -> str:
    # hash, not shuffle: adding data must not move old test rows
    place = _hash(f"{seed}\0{key}") / 2**64
    for role, share in shares.items():
        if place < share:
            return role
        place -= share
    return "train"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def reasons_to_leave_out(table: pl.DataFrame, keys: pl.Series, task: Task) -> pl.Series:
    """Why a row is left out: it has no label, or it copies a row of a role that goes before its own.

    Evaluation sets go before validation, validation before train. Unlabelled rows cost no one anything.
    """
    meant = pl.Series([is_unlabelled(role) for role in table["role"]], dtype=pl.Boolean)
    unlabelled = table["label"].is_null() & ~meant
    rows = table.select("role", reason=pl.lit(None, dtype=pl.String)).with_columns(key=keys)
    if task.copies == "remove":
        rows = rows.with_columns(rank=_precedence(table["role"]))
        first = rows.filter(pl.col("rank").is_not_null() & ~unlabelled)
        first = first.group_by("key").agg(pl.col("rank").min(), pl.col("role").get(pl.col("rank").arg_min()))
        rows = rows.join(first, on="key", how="left", suffix="_first", maintain_order="left")
        reason = pl.format("copy of a {} example", pl.col("role_first"))
        rows = rows.with_columns(reason=pl.when(pl.col("rank") > pl.col("rank_first")).then(reason))
    return rows.select(
        left_out=pl.when(pl.lit(unlabelled)).then(pl.lit("no label")).otherwise("reason")
    ).to_series()


def _precedence(roles: pl.Series) -> pl.Series:
    ranks = {"train": 2, "validation": 1}
    return pl.Series([None if is_unlabelled(role) else ranks.get(role, 0) for role in roles], dtype=pl.Int8)


def keep_train_rows(table: pl.DataFrame, keys: pl.Series, params: Params) -> pl.Series:
    """`left_out` with the training rows beyond `train_rows` in it: fewer rows are always a part of more."""
    if params.train_rows is None:
        return table["left_out"]
    rows = table.select("left_out", training=(pl.col("role") == "train") & pl.col("left_out").is_null())
    # another hash than the role's, whose low ends are the evaluation roles
    places = [_hash(f"train_rows\0{params.seed}\0{key}") for key in keys]
    order = pl.Series(places, dtype=pl.UInt64).to_frame("place").with_row_index("row")
    order = order.filter(rows["training"]).sort("place", "row")
    beyond = order["row"].slice(params.train_rows)
    is_beyond = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(beyond.implode())
    reason = pl.when(is_beyond).then(pl.lit("beyond split.train_rows")).otherwise("left_out")
    return rows.select(left_out=reason).to_series()


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


def count(table: pl.DataFrame, before: pl.Series, keys: pl.Series, task: Task) -> dict[str, Any]:
    """What was made, kept and left out; rows in = rows in use + rows left out."""
    used = in_use(table)
    labelled = table.select("label", key=keys).drop_nulls("label")
    if labelled.schema["label"] == pl.List:  # a set, which n_unique does not take as a list
        labelled = labelled.with_columns(pl.col("label").list.sort().list.join("\0"))
    copies = labelled.group_by("key").agg(pl.len(), labels=pl.col("label").n_unique())
    parts = used.select("role", "label").drop_nulls("label").sort("role").partition_by("role", as_dict=True)
    labels = {str(role): part["label"] for (role,), part in parts.items()}
    made = [role for role in MADE if role in labels and role not in set(before)]
    return {
        "rows": len(table),
        "in_use": len(used),
        "left_out": len(table) - len(used),
        "left_out_because": _counts(table["left_out"].drop_nulls()),
        "roles": _counts(used["role"]),
        "moved": _counts(table["role"].filter(table["role"] != before)),
        "labels": {role: label_counts(part) for role, part in labels.items()},
        "shares": {role: difference(labels[role], labels["train"], task) for role in made},
        "lacking": {role: found for role, part in labels.items() if (found := lacking(part, task))},
        "copies": int((copies["len"] - 1).sum()),
        "texts_with_contradicting_labels": int((copies["labels"] > 1).sum()),
    }


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts(sort=True).iter_rows())


def describe(numbers: dict[str, Any]) -> str:
    roles = ", ".join(f"{count:,} {role}" for role, count in numbers["roles"].items())
    return (
        f"split: {roles}; {numbers['copies']:,} copies kept together, {numbers['left_out']:,} rows left out, "
        f"{numbers['texts_with_contradicting_labels']:,} texts with contradicting labels"
        + "".join(f"; {role} lacks {_listed(labels)}" for role, labels in numbers["lacking"].items())
    )


def _listed(labels: list[str]) -> str:
    return ", ".join(labels) if len(labels) <= 5 else f"{len(labels):,} labels: {', '.join(labels[:5])} ..."


def main(*, task: InPath, cleaned: InPath, splits: OutPath, metrics: OutPath) -> None:
    params = load_params("split", Params)
    what = read_task(task)
    table = pl.read_parquet(cleaned)
    keys = copy_keys(table, what)
    before = table["role"]
    table = table.with_columns(role=choose_roles(before, keys, params))
    table = table.with_columns(left_out=reasons_to_leave_out(table, keys, what))
    table = table.with_columns(left_out=keep_train_rows(table, keys, params))
    check_trainable(table, what)
    write_parquet(table, splits)
    numbers = count(table, before, keys, what)
    write_json(numbers, metrics)
    print(describe(numbers))


if __name__ == "__main__":
    run(main)
