"""What a model says of each example, and how wrong that is.

A loss is in the unit in which errors of the kind add up: of a class its cross entropy, of a score the
absolute error (its mean is mae), of several labels the sum of the binary cross entropies of all of them.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.special import expit, log_expit, log_softmax

from stages.lib.joining import SPLITS, join_by_id
from stages.lib.kinds import Kind
from stages.lib.labels import array_of, names_of_array
from stages.lib.statistics.predictions import as_held_out, logits_of, predicted_of
from stages.lib.task import Task


def error_table(
    splits: pl.DataFrame, finetuned: pl.DataFrame, baselines: dict[str, pl.DataFrame], task: Task
) -> pl.DataFrame:
    """examples.parquet. `baselines` are their predictions by name, in the order of their columns."""
    table = judged(finetuned, task)
    for name, predictions in baselines.items():
        table = join_by_id(table, said(predictions, task, name), f"the prediction of {name}")
    return join_by_id(table, texts_of(splits, task), SPLITS)


def texts_of(splits: pl.DataFrame, task: Task) -> pl.DataFrame:
    """id, the texts as written, and the columns kept for slicing as one struct, so that no name clashes."""
    kept = [pl.struct(task.kept).alias("kept")] if task.kept else []
    return splits.select("id", *[f"{name}_original" for name in task.text_columns], *kept)


def judged(predictions: pl.DataFrame, task: Task) -> pl.DataFrame:
    """id, role, label, predicted (as names), and by the kind; of labelled rows alone.

    classification  probability (of the predicted class), loss
    regression      residual (actual less predicted), loss
    multi-label     missed and extra (names), probabilities (of each label), loss
    """
    labelled = predictions.filter(pl.col("label").is_not_null())
    return labelled.select("id", "role").with_columns(**JUDGED_OF_KINDS[task.kind](labelled, task))


def said(predictions: pl.DataFrame, task: Task, name: str) -> pl.DataFrame:
    """id, and in a column called `name` what the model says; of a training row out of fold."""
    return predictions.select("id").with_columns(
        names_of_array(predicted_of(as_held_out(predictions), task), task).alias(name)
    )


def is_wrong(labels: pl.Series, said_of: pl.Series) -> np.ndarray:
    """bool [N]: another class, or not exactly the same labels."""
    return (labels != said_of).to_numpy()


def _of_class(rows: pl.DataFrame, task: Task) -> dict[str, pl.Series]:
    log_probabilities_NC = log_softmax(logits_of(rows).astype(np.float64), axis=1)
    row_N, label_N, predicted_N = (
        np.arange(len(rows)),
        array_of(rows["label"], task),
        predicted_of(rows, task),
    )
    return {
        "label": names_of_array(label_N, task),
        "predicted": names_of_array(predicted_N, task),
        "probability": pl.Series(np.exp(log_probabilities_NC[row_N, predicted_N])),
        "loss": pl.Series(np.abs(log_probabilities_NC[row_N, label_N])),  # abs: a certain hit has -0.0
    }


def _of_score(rows: pl.DataFrame, task: Task) -> dict[str, pl.Series]:
    label_N, predicted_N = array_of(rows["label"], task), predicted_of(rows, task)
    return {
        "label": names_of_array(label_N, task),
        "predicted": names_of_array(predicted_N, task),
        "residual": pl.Series(label_N - predicted_N),
        "loss": pl.Series(np.abs(label_N - predicted_N)),
    }


def _of_labels(rows: pl.DataFrame, task: Task) -> dict[str, pl.Series]:
    logits_NC = logits_of(rows).astype(np.float64)
    label_NC, predicted_NC = array_of(rows["label"], task), predicted_of(rows, task)
    right_NC = np.where(label_NC, log_expit(logits_NC), log_expit(-logits_NC))
    return {
        "label": names_of_array(label_NC, task),
        "predicted": names_of_array(predicted_NC, task),
        "missed": names_of_array(label_NC & ~predicted_NC, task),
        "extra": names_of_array(predicted_NC & ~label_NC, task),
        "probabilities": pl.Series(expit(logits_NC), dtype=pl.Array(pl.Float64, logits_NC.shape[1])),
        "loss": pl.Series(np.abs(right_NC.sum(axis=1))),
    }


JUDGED_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, Task], dict[str, pl.Series]]] = {
    "classification": _of_class,
    "regression": _of_score,
    "multi-label": _of_labels,
}
