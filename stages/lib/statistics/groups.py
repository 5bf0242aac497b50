"""Labelled rows put together by what they are labelled: class, each of several labels, range of scores."""

from collections.abc import Callable

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.statistics.slices import NO_VALUE, by_range
from stages.lib.task import Task

Groups = dict[str, np.ndarray]  # name -> its rows, bool [N], in the order of tables and plots


def groups_of(labels: pl.Series, task: Task) -> Groups:
    """`labels` are names as in stages/lib/labels.py, without nulls.

    Every class or label of the task is there, also where no row has it; of several labels a row is in the
    group of each, or in `(none)`. Scores are in the ranges by which evaluate slices them.
    """
    return GROUPS_OF_KINDS[task.kind](labels, task)


def in_groups(rows: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """Each row once for each of its groups, whose name is `label` then."""
    none = rows.clear().with_columns(label=pl.lit("", pl.String))
    named = (rows.filter(member_N).with_columns(label=pl.lit(name)) for name, member_N in groups.items())
    return pl.concat([none, *named])


def evenly(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """All rows, or `most` of them at even distances by their label; in its order, then by id."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int))
    return rows.sort("label", "id")[places]


def _by_class(labels: pl.Series, task: Task) -> Groups:
    return {name: (labels == name).to_numpy() for name in task.labels}


def _by_range(labels: pl.Series, task: Task) -> Groups:
    if labels.n_unique() == 1:
        return {f"{labels[0]:g}": np.ones(len(labels), dtype=bool)}
    return {part.value: part.members for part in by_range(labels)} if len(labels) else {}


def _by_each_label(labels: pl.Series, task: Task) -> Groups:
    groups = {name: labels.list.contains(name).to_numpy() for name in task.labels}
    without_N = (labels.list.len() == 0).to_numpy()
    return groups | ({NO_VALUE: without_N} if without_N.any() else {})


GROUPS_OF_KINDS: dict[Kind, Callable[[pl.Series, Task], Groups]] = {
    "classification": _by_class,
    "regression": _by_range,
    "multi-label": _by_each_label,
}
