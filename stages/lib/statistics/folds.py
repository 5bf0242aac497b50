"""Folds for what is to be said of a row by a model that saw neither it nor a copy of it."""

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.lib.hashes import hash_of


def groups_of_copies(ids: pl.Series, copies: pl.DataFrame) -> np.ndarray:
    """A number for each id, the same for copies of each other, also through rows that are none of `ids`.

    For stage split lists a copy beside the first row that reads so, which may be of another role or left out.
    """
    both = [copies[name].rename("id") for name in ("id", "other_id")]
    place = pl.concat([ids.rename("id"), *both]).unique(maintain_order=True).to_frame().with_row_index("row")
    rows = [id_.to_frame().join(place, on="id", maintain_order="left")["row"].to_numpy() for id_ in both]
    edges = coo_array((np.ones(len(copies), dtype=np.int8), rows), shape=(len(place), len(place)))
    return np.asarray(connected_components(edges, directed=False)[1][: len(ids)])


def copies_of_training(rows: pl.DataFrame, group_N: np.ndarray) -> np.ndarray:
    """bool [N]: the rows of other roles whose copy trains, as it may where a source has `copies: report`."""
    trains_N = (rows["role"] == "train").to_numpy()
    return np.asarray(np.isin(group_N, group_N[trains_N]) & ~trains_N)


def lone_of_class(rows: pl.DataFrame, group_N: np.ndarray) -> np.ndarray:
    """bool [N]: the training rows whose class has no other text there, so that the other folds lack it."""
    texts = pl.col("group").n_unique().over("role", "label")
    lone = rows.with_columns(group=group_N).select((texts == 1) & (pl.col("role") == "train"))
    return lone.to_series().to_numpy()


def deal(examples: pl.DataFrame, copies: pl.DataFrame, folds: int, seed: int) -> np.ndarray:
    """The fold of each example (id, label), from 0: groups of copies in turn, in the order of their labels.

    So labels are spread evenly, and where there are fewer groups than folds there are as many folds as those.
    """
    label = pl.col("label")
    if isinstance(examples["label"].dtype, pl.List):
        label = label.list.eval(pl.element().cast(pl.String)).list.join(",")
    chance = pl.Series([hash_of(f"{seed}\0{name}", b"folds") for name in examples["id"]], dtype=pl.UInt64)
    rows = examples.select("id", label=label).with_columns(
        group=groups_of_copies(examples["id"], copies), chance=chance
    )
    groups = rows.sort("group", "chance").unique("group", keep="first", maintain_order=True)
    dealt = groups.sort("label", "chance").select("group", fold=pl.int_range(pl.len()) % folds)
    return rows.join(dealt, on="group", how="left", maintain_order="left")["fold"].to_numpy()


def too_few(fold_N: np.ndarray, folds: int) -> str:
    """What to say of the knob where fewer folds could be dealt than it asks for; empty where all were."""
    found = fold_N.max() + 1
    said = f"found {folds}, but there are {found} training examples that are no copies of each other"
    return f"{said}: choose fewer folds" if found < folds else ""
