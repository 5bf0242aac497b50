"""A model's predictions on disk: one Parquet file a model, named after it, one row an example.

Columns: id, role, label (class number, null where unlabelled), logits (float32, one a class), and for
baselines logits_out_of_fold (what the model says of a training row when it was not trained on it; null
elsewhere).
"""

from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.tables import write_parquet
from stages.lib.task import UNLABELLED

BASELINES = ("dummy", "tfidf", "features")  # in the order of tables and pages, before the fine-tuned model
FINETUNED = "finetuned"
# Roles that no number is judged on: models saw the one, and nobody knows the labels of the other.
NOT_EVALUATED = ("train", UNLABELLED)


def write_predictions(
    examples: pl.DataFrame, logits_NC: np.ndarray, path: Path, out_of_fold_NC: np.ndarray | None = None
) -> None:
    """`examples` has id, role and label; a row of NaN in `out_of_fold_NC` becomes null."""
    table = examples.select("id", "role", "label", _as_column("logits", logits_NC))
    if out_of_fold_NC is not None:
        missing = np.isnan(out_of_fold_NC).any(axis=1)
        column = _as_column("logits_out_of_fold", out_of_fold_NC)
        table = table.with_columns(pl.when(pl.Series(~missing)).then(column).alias(column.name))
    write_parquet(table, path)


def read_predictions(folder: Path) -> dict[str, pl.DataFrame]:
    """Model name -> its predictions, in the order of the names."""
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def logits_of(predictions: pl.DataFrame, column: str = "logits") -> np.ndarray:
    """float32 [N, C]."""
    return predictions[column].to_numpy()


def evaluation_roles(predictions: pl.DataFrame) -> list[str]:
    """The roles that a model is judged on, in the order in which they first appear."""
    return [role for role in predictions["role"].unique(maintain_order=True) if role not in NOT_EVALUATED]


def _as_column(name: str, values_NC: np.ndarray) -> pl.Series:
    rows = np.ascontiguousarray(values_NC, dtype=np.float32)
    return pl.Series(name, rows, dtype=pl.Array(pl.Float32, rows.shape[1]))
