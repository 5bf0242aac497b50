"""Which unlabelled rows would be most worth a label: those of which the model is least sure, and unlike.

Uncertainty sampling (Lewis and Gale 1994; Settles, "Active Learning Literature Survey", 2009): of classes
the entropy of the probabilities, as a share of the largest there can be; of several labels the mean of each;
of scores, which have no probabilities, how far a committee of models is apart (Seung, Opper and Sompolinsky
1992): the standard deviation of what the fine-tuned model and the linear ones say.

The least sure are much alike, so among the `AMONG` times as many that are least sure (as Zhdanov, "Diverse
mini-batch Active Learning", 2019) each cluster gives one in turn, and near copies of a chosen one are left
out, and texts that have a label already.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.special import entr, expit, softmax

from stages.lib.errors.clusters import unit_length
from stages.lib.kinds import Kind
from stages.lib.labels import names_of_array
from stages.lib.statistics.predictions import BASELINES, FINETUNED, logits_of, predicted_of
from stages.lib.task import Task

AMONG = 10
NEAR_COPY = 0.95  # cosine of two frozen vectors

Predictions = dict[str, pl.DataFrame]


def rows_to_label(
    unsure: pl.DataFrame, rows: pl.DataFrame, vectors_NH: np.ndarray, task: Task, most: int
) -> pl.DataFrame:
    """to_label.parquet.

    `unsure` have id, predicted, uncertainty and cluster, and are rows of `vectors_NH`; `rows` are all in use,
    with their labels and texts.
    """
    chosen = in_turn(unsure.with_row_index("place"), unlabelled_texts(rows, task), AMONG * most)
    unit_NH = unit_length(vectors_NH[chosen["place"].to_numpy()])
    ranked = chosen[unlike(unit_NH, most)].with_row_index("rank", offset=1)
    written = [pl.col(f"{name}_original").alias(name) for name in task.text_columns]
    texts = rows.select("id", *written)
    numbers = ranked.select(pl.col("rank").cast(pl.Int64), "id", "predicted", "uncertainty", "cluster")
    table = numbers.join(texts, on="id", how="left", maintain_order="left")
    return table.select("rank", "id", *task.text_columns, "predicted", "uncertainty", "cluster")


def unlabelled_texts(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The ids of rows whose texts nobody has labelled, as cleaned."""
    known = rows.filter(pl.col("label").is_not_null()).select(task.text_columns).unique()
    return rows.join(known, on=task.text_columns, how="anti", nulls_equal=True).select("id")


def in_turn(unsure: pl.DataFrame, fresh: pl.DataFrame, most: int) -> pl.DataFrame:
    """The least sure of those that are `fresh`: of each cluster the first, then of each the second."""
    candidates = unsure.join(fresh, on="id", how="semi")
    least_sure = candidates.sort("uncertainty", "id", descending=[True, False]).head(most)
    turn = pl.int_range(pl.len()).over("cluster")
    return least_sure.with_columns(turn=turn).sort("turn", maintain_order=True)


def unlike(unit_NH: np.ndarray, most: int) -> list[int]:
    """The first, and each that is no near copy of one chosen before it."""
    chosen: list[int] = []
    for place, unit_H in enumerate(unit_NH):
        if len(chosen) == most:
            break
        if not chosen or (unit_NH[chosen] @ unit_H).max() < NEAR_COPY:
            chosen.append(place)
    return chosen


def uncertain(predictions: Predictions, task: Task) -> pl.DataFrame:
    """id, predicted (names), uncertainty: of the rows that nobody has labelled; `predictions` by model."""
    without = {name: table.filter(pl.col("label").is_null()) for name, table in predictions.items()}
    finetuned = without[FINETUNED]
    uncertainty_N = UNCERTAINTY_OF_KINDS[task.kind](without)
    return finetuned.select("id").with_columns(
        names_of_array(predicted_of(finetuned, task), task).alias("predicted"),
        pl.Series("uncertainty", uncertainty_N, dtype=pl.Float64),
    )


def _entropy(predictions: Predictions) -> np.ndarray:
    probability_NC = softmax(logits_of(predictions[FINETUNED]).astype(np.float64), axis=1)
    return np.asarray(entr(probability_NC).sum(axis=1) / np.log(max(probability_NC.shape[1], 2)))


def _entropy_of_each(predictions: Predictions) -> np.ndarray:
    probability_NC = expit(logits_of(predictions[FINETUNED]).astype(np.float64))
    return np.asarray((entr(probability_NC) + entr(1 - probability_NC)).mean(axis=1) / np.log(2))


def _disagreement(predictions: Predictions) -> np.ndarray:
    ids = predictions[FINETUNED].select("id")
    committee = [FINETUNED, *(name for name in BASELINES[1:] if name in predictions)]  # dummy knows no text
    said = [ids.join(predictions[name], on="id", how="left", maintain_order="left") for name in committee]
    return np.asarray(np.std([logits_of(of)[:, 0].astype(np.float64) for of in said], axis=0))


UNCERTAINTY_OF_KINDS: dict[Kind, Callable[[Predictions], np.ndarray]] = {
    "classification": _entropy,
    "regression": _disagreement,
    "multi-label": _entropy_of_each,
}
