"""What linear models say of each labelled row out of fold: the judge that costs no training on a GPU.

The mean of three ridge regressions on the labels as numbers (least-squares classification: Rifkin, Yeo and
Poggio 2003), on TF-IDF of words, of words and word pairs, and on the frozen encoder's vectors. On the sample
their squared loss ranks wrong labels far better than the logistic loss of the baselines does. Rows of every
role teach, for what matters is that no row teaches its own judge. docs/label-issues.md has the figures.

Shapes: N examples, C classes or labels (1 of a regression), V inputs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from stages.lib.errors.knobs import Params
from stages.lib.kinds import Kind
from stages.lib.statistics.calibration import fit_temperature
from stages.lib.statistics.folds import deal
from stages.lib.statistics.learners import Words, joined
from stages.lib.task import Task

LEAST_DOCUMENTS = 2  # a word of one text says nothing about others

Inputs = list[Any]  # [N, V] each, dense or sparse


def linear_logits(
    examples: pl.DataFrame,
    label_N: np.ndarray,
    inputs: Inputs,
    copies: pl.DataFrame,
    params: Params,
    task: Task,
) -> np.ndarray:
    """float64 [N, C], calibrated on the rows' own labels; NaN where all rows are copies of one text.

    `examples` has id and label, and `label_N` is an array of stages/lib/labels.py.
    """
    targets_NC, centre, spread = TARGETS_OF_KINDS[task.kind](label_N, task)
    said_NC = np.zeros_like(targets_NC)
    for repeat in range(params.judge_repeats):
        fold_N = deal(examples, copies, params.judge_folds, params.seed + repeat)
        said_NC += np.mean([out_of_fold(X_NV, targets_NC, fold_N, params) for X_NV in inputs], axis=0)
    logits_NC = said_NC / params.judge_repeats * spread + centre
    known_N = ~np.isnan(logits_NC).any(axis=1)
    temperature = fit_temperature(task.kind, logits_NC[known_N], label_N[known_N]) if known_N.any() else None
    return logits_NC if temperature is None else logits_NC / temperature


def out_of_fold(X_NV: Any, targets_NC: np.ndarray, fold_N: np.ndarray, params: Params) -> np.ndarray:
    said_NC = np.full_like(targets_NC, np.nan)
    folds = np.unique(fold_N)
    for fold in folds if len(folds) > 1 else ():
        rest_N = fold_N == fold
        model = Ridge(
            alpha=params.judge_alpha, solver="sparse_cg" if sparse.issparse(X_NV) else "cholesky", tol=1e-3
        )
        model.fit(X_NV[~rest_N], targets_NC[~rest_N])
        said_NC[rest_N] = model.predict(X_NV[rest_N]).reshape(-1, targets_NC.shape[1])
    return said_NC


def inputs_of(texts_N: np.ndarray, vectors_NH: np.ndarray) -> Inputs:
    """`texts_N` as words_of gives them, [N, 1] or [N, 2]. All rows of each input are about as long: 1."""
    spread_H = vectors_NH.std(axis=0)
    scaled_NH = (vectors_NH - vectors_NH.mean(axis=0)) / np.where(spread_H > 0, spread_H, 1)
    inputs: Inputs = [scaled_NH.astype(np.float64) / vectors_NH.shape[1] ** 0.5]
    words = TfidfVectorizer(token_pattern=r"(?u)\w+", sublinear_tf=True, min_df=LEAST_DOCUMENTS)
    try:
        return [
            *inputs,
            words.fit_transform(joined(texts_N)),
            Words(LEAST_DOCUMENTS).fit(texts_N, texts_N).transform(texts_N),
        ]
    except ValueError as error:
        if "empty vocabulary" not in str(error) and "no terms remain" not in str(error):
            raise
        return inputs  # no two texts have a word in common


Targets = tuple[np.ndarray, float, float]  # [N, C], and what their zero and their one stand for in logits


def _of_class(label_N: np.ndarray, task: Task) -> Targets:
    return np.eye(task.outputs)[label_N] - 1 / task.outputs, 0.0, 1.0


def _of_score(label_N: np.ndarray, task: Task) -> Targets:
    mean, spread = float(label_N.mean()), float(label_N.std()) or 1.0
    return (label_N.reshape(-1, 1) - mean) / spread, mean, spread


def _of_labels(label_NC: np.ndarray, task: Task) -> Targets:
    return label_NC - 0.5, 0.0, 1.0


TARGETS_OF_KINDS: dict[Kind, Callable[[np.ndarray, Task], Targets]] = {
    "classification": _of_class,
    "regression": _of_score,
    "multi-label": _of_labels,
}
