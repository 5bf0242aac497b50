"""Where models go wrong, as tables of every evaluation role: names by the kind of task.

classification  confusion   model, role, actual, predicted, count, share of the actual class; zeros included
regression      by_range    model, role, range (of the actual score), n, mean_residual, mae, rmse
multi-label     by_label    model, role, label, n, tp, fp, fn, precision, recall, f1 (null of nothing)
                missed      model, role, missed, said, count: a label that was missed and one that was said
                            without being right, of the same example; null where one has no other
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.labels import array_of_names
from stages.lib.statistics.groups import groups_of
from stages.lib.statistics.predictions import evaluation_roles
from stages.lib.task import Task

Models = dict[str, str]  # name -> the column of the examples that holds what the model says
Tables = dict[str, pl.DataFrame]


def error_tables(examples: pl.DataFrame, models: Models, task: Task) -> Tables:
    """`examples` are those of data/errors: label and what each model says, as names."""
    return TABLES_OF_KINDS[task.kind](examples, models, task)


def confusion(examples: pl.DataFrame, models: Models, task: Task) -> pl.DataFrame:
    roles = pl.DataFrame({"role": evaluation_roles(examples)})
    classes = pl.DataFrame({"actual": task.labels})
    grid = roles.join(classes, how="cross").join(classes.rename({"actual": "predicted"}), how="cross")
    tables = []
    for model, column in models.items():
        cells = examples.group_by("role", actual="label", predicted=column).agg(count=pl.len().cast(pl.Int64))
        counts = grid.join(cells, on=["role", "actual", "predicted"], how="left", maintain_order="left")
        tables.append(
            counts.select(pl.lit(model).alias("model"), pl.all()).with_columns(pl.col("count").fill_null(0))
        )
    total = pl.col("count").sum().over("model", "role", "actual")
    share = pl.when(total > 0).then(pl.col("count") / total).otherwise(0.0)
    return pl.concat(tables).with_columns(share=share)


def by_range(examples: pl.DataFrame, models: Models, task: Task) -> pl.DataFrame:
    """The ranges are those of evaluate's slices: of the scores of each role by itself."""
    schema: dict[str, Any] = dict.fromkeys(("model", "role", "range"), pl.String) | {"n": pl.Int64}
    schema |= dict.fromkeys(("mean_residual", "mae", "rmse"), pl.Float64)
    rows = []
    for model, column in models.items():
        for role in evaluation_roles(examples):
            of_role = examples.filter(pl.col("role") == role)
            residual_N = (of_role["label"] - of_role[column]).to_numpy()
            for name, member_N in groups_of(of_role["label"], task).items():
                rows.append((model, role, name, int(member_N.sum()), *_errors(residual_N[member_N])))
    return pl.DataFrame(rows, schema=schema, orient="row")


def _errors(residual_N: np.ndarray) -> tuple[float | None, float | None, float | None]:
    if not len(residual_N):
        return None, None, None
    square = float((residual_N**2).mean())
    return float(residual_N.mean()), float(np.abs(residual_N).mean()), square**0.5


def by_label(examples: pl.DataFrame, models: Models, task: Task) -> pl.DataFrame:
    """Every label of the task, also one that never occurs."""
    tables = []
    for model, column in models.items():
        for role in evaluation_roles(examples):
            of_role = examples.filter(pl.col("role") == role)
            label_NC, said_NC = (array_of_names(of_role[name], task) for name in ("label", column))
            counts = {
                "n": label_NC.sum(axis=0),
                "tp": (label_NC & said_NC).sum(axis=0),
                "fp": (said_NC & ~label_NC).sum(axis=0),
                "fn": (label_NC & ~said_NC).sum(axis=0),
            }
            names = pl.DataFrame({"model": model, "role": role, "label": task.labels})
            tables.append(
                names.with_columns(pl.Series(name, of, dtype=pl.Int64) for name, of in counts.items())
            )
    tp, fp, fn = pl.col("tp"), pl.col("fp"), pl.col("fn")
    return pl.concat(tables).with_columns(
        precision=_share(tp, tp + fp), recall=_share(tp, tp + fn), f1=_share(2 * tp, 2 * tp + fp + fn)
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def missed(examples: pl.DataFrame, models: Models, task: Task) -> pl.DataFrame:
    """The most frequent first."""
    tables = []
    for model, column in models.items():
        rows = examples.filter(pl.col("role").is_in(evaluation_roles(examples))).select(
            pl.lit(model).alias("model"),
            "role",
            missed=pl.col("label").list.set_difference(column),
            said=pl.col(column).list.set_difference("label"),
        )
        rows = rows.explode("missed", empty_as_null=True).explode("said", empty_as_null=True)
        tables.append(rows.filter(pl.col("missed").is_not_null() | pl.col("said").is_not_null()))
    keys = ["model", "role", "missed", "said"]
    counts = pl.concat(tables).group_by(keys).agg(count=pl.len().cast(pl.Int64))
    return counts.sort("count", *keys, descending=[True] + [False] * len(keys))


TABLES_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, Models, Task], Tables]] = {
    "classification": lambda *of: {"confusion": confusion(*of)},
    "regression": lambda *of: {"by_range": by_range(*of)},
    "multi-label": lambda *of: {"by_label": by_label(*of), "missed": missed(*of)},
}
