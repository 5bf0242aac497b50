"""Would more data help? The TF-IDF baseline's score against the number of training rows.

Each size is half of the one above, and a part of it: rows are ordered by a hash of their text, so that copies
go together and new rows move no old ones. What twice the data would give is read off a power law of the error
in the rows (Cortes et al. 1993; Hestness et al. 2017), fitted to the largest sizes.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.pipeline import make_pipeline

from stages.lib.errors.knobs import Params
from stages.lib.exceptions import DataError
from stages.lib.hashes import hash_of
from stages.lib.labels import array_of_names
from stages.lib.statistics.answers import answers
from stages.lib.statistics.intervals import with_intervals
from stages.lib.statistics.learners import LEARNERS_OF_KINDS, Words, fit, words_of
from stages.lib.statistics.multi_label import fit_thresholds
from stages.lib.statistics.paired import Difference, better, compare
from stages.lib.statistics.predictions import evaluation_roles
from stages.lib.task import Task

MODEL = "tfidf"
ORDER = b"curve"  # an order of its own: that of the roles would start with the rows nearest to validation
FEWEST_ROWS = 20
FITTED_SIZES = 4  # the smallest bend the law

Said = dict[int, np.ndarray]  # training rows -> what the model says of all rows, an array of labels.py

CURVE: dict[str, Any] = {"model": pl.String, "rows": pl.Int64, "role": pl.String, "score": pl.String}
CURVE |= dict.fromkeys(("value", "low", "high"), pl.Float64)


class Curve(NamedTuple):
    table: pl.DataFrame  # learning_curve.parquet
    numbers: dict[str, dict[str, Any]]  # by role


def learning_curve(rows: pl.DataFrame, task: Task, params: Params) -> Curve:
    """`rows` are in use and labelled, with their label as names and their texts as cleaned."""
    said = said_by_size(rows, task, params)
    tables, numbers = [pl.DataFrame(schema=CURVE)], {}
    for role in evaluation_roles(rows):
        place = (rows["role"] == role).to_numpy()
        label_N = array_of_names(rows["label"].filter(place), task)
        of_role = {size: said_N[place] for size, said_N in said.items()}
        table = curve_of(label_N, of_role, role, task, params)
        tables.append(table)
        if len(table) > 1:
            numbers[role] = gains(table, label_N, of_role, task, params)
    return Curve(pl.concat(tables), numbers)


def said_by_size(rows: pl.DataFrame, task: Task, params: Params) -> Said:
    """A size from which nothing can be learned (one class, no word often enough) is left out."""
    texts, train = words_of(rows, task), nested_order(rows, task)
    label_N = array_of_names(rows["label"], task)
    said = {}
    for size in sizes_of(len(train), params.curve_sizes):
        chosen = train[:size]
        if len(np.unique(label_N[chosen], axis=0)) < 2:
            continue
        try:
            said[size] = _said(texts, label_N, chosen, rows["role"], task, params)
        except DataError:
            continue
    return said


def sizes_of(rows: int, sizes: int) -> list[int]:
    """All rows, half of them, a quarter, from the fewest on."""
    halves = [rows >> step for step in range(sizes)]
    return sorted({size for size in halves if size >= min(FEWEST_ROWS, rows) and size > 0})


def nested_order(rows: pl.DataFrame, task: Task) -> np.ndarray:
    """The places of the training rows, whatever the order in which they come."""
    train = np.flatnonzero(rows["role"] == "train")
    texts = rows[train].select(pl.concat_str(task.text_columns, separator="\n", ignore_nulls=True))
    keys = [hash_of(text, ORDER) for text in texts.to_series()]
    order = pl.DataFrame({"key": keys, "id": rows["id"].gather(train)}, schema_overrides={"key": pl.UInt64})
    return np.asarray(train[order.select(pl.arg_sort_by("key", "id")).to_series().to_numpy()])


def _said(
    texts: np.ndarray, label_N: np.ndarray, chosen: np.ndarray, roles: pl.Series, task: Task, params: Params
) -> np.ndarray:
    learner = LEARNERS_OF_KINDS[task.kind]
    model = make_pipeline(Words(params.curve_min_documents), learner.linear(params.curve_c, "saga", params))
    logits_NC = learner.logits(fit(model, texts[chosen], label_N[chosen]), texts, task.outputs)
    validation = (roles == "validation").to_numpy()
    thresholds = None
    if task.facts.has_thresholds:
        thresholds = fit_thresholds(logits_NC[validation], label_N[validation])
    return answers(task, logits_NC, thresholds)


def curve_of(label_N: np.ndarray, said: Said, role: str, task: Task, params: Params) -> pl.DataFrame:
    """A row a size where the score is defined, the fewest rows first."""
    score, rows = task.metrics[0], []
    for size, said_N in said.items():
        found = with_intervals(task, label_N, said_N, **_sampling(params))
        if found[score] is not None:
            values = (found[name] for name in (score, f"{score}_low", f"{score}_high"))
            rows.append((MODEL, size, role, score, *values))
    return pl.DataFrame(rows, schema=CURVE, orient="row")


def _sampling(params: Params) -> dict[str, Any]:
    return {"resamples": params.resamples, "confidence": params.confidence, "seed": params.seed}


def gains(table: pl.DataFrame, label_N: np.ndarray, said: Said, task: Task, params: Params) -> dict[str, Any]:
    """What the last doubling gave, on the same examples, and what the next would; above 0 is better."""
    half, rows = table["rows"].to_list()[-2:]
    score = task.metrics[0]
    found = compare(task, label_N, said[half], said[rows], **_sampling(params)).get(score)
    numbers = {"model": MODEL, "score": score, "rows": rows, "half_of_the_rows": half}
    numbers |= {"value": table["value"][-1], "value_at_half": table["value"][-2]}
    if found is not None:
        change: Difference = better(task, score, found)
        numbers |= {"gain_of_last_doubling": change.difference, "low": change.low, "high": change.high}
    return numbers | {"gain_of_twice_the_data": gain_of_doubling(table, task.lower_is_better(score))}


def gain_of_doubling(table: pl.DataFrame, lower_is_better: bool) -> float:
    """0 where the error has not fallen with the rows."""
    value_K = table["value"].to_numpy()[-FITTED_SIZES:]
    error_K = value_K if lower_is_better else 1 - value_K
    if (error_K <= 0).any():
        return 0.0
    slope = np.polyfit(np.log2(table["rows"].to_numpy()[-FITTED_SIZES:]), np.log2(error_K), 1)[0]
    return float(error_K[-1] * max(0.0, 1 - 2.0**slope))
