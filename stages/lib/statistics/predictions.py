"""A model's predictions on disk: one Parquet file a model, named after it, one row an example.

Columns: id, role, label (in numbers, as in stages/lib/labels.py, null where unlabelled), logits (float32,
one a class; of a regression the number itself), and for baselines logits_out_of_fold (what the model says of
a training row when it was not trained on it; null elsewhere). Of several labels a row there is `predicted`
too, and for baselines predicted_out_of_fold: those that reach the thresholds that were chosen on validation.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.labels import array_of, column_of
from stages.lib.statistics.answers import answers
from stages.lib.tables import write_parquet
from stages.lib.task import Task, is_unlabelled

BASELINES = ("dummy", "tfidf", "features")  # in the order of tables and pages, before the fine-tuned model
FINETUNED = "finetuned"


def write_predictions(
    task: Task,
    examples: pl.DataFrame,
    logits_NC: np.ndarray,
    path: Path,
    *,
    thresholds: list[float] | None = None,
    out_of_fold_NC: np.ndarray | None = None,
) -> None:
    """`examples` has id, role and label; a row of NaN in `out_of_fold_NC` becomes null.

    `thresholds` are the least probabilities of the labels, where there are several a row.
    """
    table = examples.select("id", "role", "label", *_said(task, logits_NC, thresholds, ""))
    if out_of_fold_NC is not None:
        held_out = pl.Series(~np.isnan(out_of_fold_NC).any(axis=1))
        columns = _said(task, out_of_fold_NC, thresholds, "_out_of_fold")
        table = table.with_columns(pl.when(held_out).then(column).alias(column.name) for column in columns)
    write_parquet(table, path)


def read_predictions(folder: Path) -> dict[str, pl.DataFrame]:
    """Model name -> its predictions, in the order of the names."""
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def logits_of(predictions: pl.DataFrame, column: str = "logits") -> np.ndarray:
    """float32 [N, C]."""
    return predictions[column].to_numpy()


def predicted_of(predictions: pl.DataFrame, task: Task) -> np.ndarray:
    """What the model says, as an array of stages/lib/labels.py; of equal logits the first class counts."""
    return PREDICTED_OF_KINDS[task.kind](predictions, task)


PREDICTED_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, Task], np.ndarray]] = {
    "classification": lambda predictions, task: answers(task, logits_of(predictions), None),
    "regression": lambda predictions, task: answers(task, logits_of(predictions), None),
    "multi-label": lambda predictions, task: array_of(predictions["predicted"], task),
}


def as_held_out(predictions: pl.DataFrame) -> pl.DataFrame:
    """With what a model says of a training row when it was not trained on it, where that is known."""
    names = [name for name in ("logits", "predicted") if f"{name}_out_of_fold" in predictions.columns]
    return predictions.with_columns(pl.coalesce(f"{name}_out_of_fold", name).alias(name) for name in names)


def evaluation_roles(predictions: pl.DataFrame) -> list[str]:
    """The roles that a model is judged on, in the order in which they first appear.

    Models saw the training rows, and nobody knows the labels of unlabelled ones.
    """
    roles = predictions["role"].unique(maintain_order=True)
    return [role for role in roles if role != "train" and not is_unlabelled(role)]


def _said(task: Task, logits_NC: np.ndarray, thresholds: list[float] | None, suffix: str) -> list[pl.Series]:
    columns = [_as_column(f"logits{suffix}", logits_NC)]
    if thresholds is not None:
        columns.append(column_of(answers(task, logits_NC, thresholds), task).alias(f"predicted{suffix}"))
    return columns


def _as_column(name: str, values_NC: np.ndarray) -> pl.Series:
    rows = np.ascontiguousarray(values_NC, dtype=np.float32)
    return pl.Series(name, rows, dtype=pl.Array(pl.Float32, rows.shape[1]))
