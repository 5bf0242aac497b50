"""Predictions of unlabelled rows, as the source wants them handed in: its column names, its raw values."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.task import Task

Columns = dict[str, pl.Series]


def write_submissions(
    examples: pl.DataFrame, source_ids: pl.DataFrame, task: Task, folder: Path
) -> dict[str, int]:
    """One file for each unlabelled role that has rows, in the source's order. Returns their number by role.

    `examples` has id, role and `predicted`, in the numbers of stages/lib/labels.py; `source_ids` has id and
    source_id.
    """
    names = source_ids.select("id", name=pl.coalesce("source_id", "id"))
    written = {}
    for role, file in task.submission.files.items():
        rows = examples.filter(pl.col("role") == role)
        if rows.is_empty():
            continue
        ids = rows.join(names, on="id", how="left", maintain_order="left")["name"]
        columns = {task.submission.id: ids} | RAW_OF_KINDS[task.kind](rows["predicted"], task)
        pl.DataFrame(columns).write_csv(folder / file, separator=task.submission.delimiter)
        written[role] = len(rows)
    return written


def _class(predicted: pl.Series, task: Task) -> Columns:
    return {str(task.submission.label): pl.Series(task.raw_labels, dtype=pl.String).gather(predicted)}


def _number(predicted: pl.Series, task: Task) -> Columns:
    """Without an exponent, and with no more digits than a model computes."""
    cells = [np.format_float_positional(np.float32(number), trim="-") for number in predicted]
    return {str(task.submission.label): pl.Series(cells, dtype=pl.String)}


def _labels(predicted: pl.Series, task: Task) -> Columns:
    """A column of 0 and 1 for each label, or one cell: joined by the separator, a JSON list without one."""
    columns = task.submission.label
    if isinstance(columns, list):
        return {name: predicted.list.contains(place).cast(pl.Int8) for place, name in enumerate(columns)}
    raw = [[task.raw_labels[place] for place in places] for places in predicted]
    return {columns: pl.Series([_cell(labels, task) for labels in raw], dtype=pl.String)}


def _cell(labels: list[str], task: Task) -> str:
    if task.separator is None:
        return json.dumps(labels, ensure_ascii=False)
    return task.separator.join(labels) or task.submission.no_label


RAW_OF_KINDS: dict[Kind, Callable[[pl.Series, Task], Columns]] = {
    "classification": _class,
    "regression": _number,
    "multi-label": _labels,
}
