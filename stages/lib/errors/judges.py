"""Who judges a label: always models that did not learn from it.

Every row is judged by linear models that did not see it (stages/lib/errors/linear_judge.py), and with these
where there is one by a fine-tuned model that did not: rows of evaluation roles by the fine-tuned model
itself, but for those whose copy taught it (a source's `copies: report` leaves these in training); training
rows by the models of the other folds where `errors.folds` asks for those. What counts is the weighted mean of
what the two say, with the weight that suits the role's labels best (the optimal prediction pool: Geweke and
Amisano, Journal of Econometrics 2011): it is near 1 for the one that knows more.

Shapes: N examples, C classes or labels, 1 of a regression.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit, softmax

from stages.lib.errors.knobs import CROSSFITTED
from stages.lib.joining import join_by_id
from stages.lib.kinds import Kind
from stages.lib.labels import array_of
from stages.lib.statistics.folds import copies_of_training, groups_of_copies, lone_of_class
from stages.lib.statistics.predictions import FINETUNED, logits_of
from stages.lib.task import Task

LINEAR = "features, tfidf"
LEAST = 1e-12  # a probability of 0 has no finite loss
WEIGHTS = tuple(tenth / 10 for tenth in range(11))


class Judged(NamedTuple):
    rows: pl.DataFrame  # id, role, label (in numbers): the labelled rows of one role
    said: np.ndarray  # float64 [N, C]: probabilities, of a regression predictions; NaN where nobody can judge
    judged_by: str


def judgements(
    finetuned: pl.DataFrame,
    crossfitted: pl.DataFrame,
    linear_NC: np.ndarray,
    copies: pl.DataFrame,
    task: Task,
) -> list[Judged]:
    """Of every role, in the order in which they first appear. Raises DataError.

    `finetuned` are the labelled rows, `linear_NC` what the linear models say of them: logits. Rows of
    evaluation roles whose copies taught the fine-tuned model are judged by the linear models alone, and
    nobody can judge a training row that is the only text of its class.
    """
    linear_NC, group_N = said_by(linear_NC, task), groups_of_copies(finetuned["id"], copies)
    taught_N = copies_of_training(finetuned, group_N)
    lone_N = lone_of_class(finetuned, group_N) if task.kind == "classification" else np.zeros_like(taught_N)
    found = []
    for role in finetuned["role"].unique(maintain_order=True):
        is_here = finetuned["role"] == role
        rows, here_N = finetuned.filter(is_here), is_here.to_numpy()
        said_NC, open_N = linear_NC[here_N], ~taught_N[here_N]
        name, tuned = FINETUNED, rows
        if role == "train":
            name, tuned = CROSSFITTED, held_out(rows, crossfitted)
        weight = 0.0
        if len(tuned) and open_N.any():
            tuned_NC = said_by(logits_of(tuned.filter(open_N)), task)
            label_N = array_of(rows["label"].filter(open_N), task)
            weight = best_weight(tuned_NC, said_NC[open_N], label_N, task)
            said_NC[open_N] = pooled(tuned_NC, said_NC[open_N], weight)
        said_NC[lone_N[here_N]] = np.nan
        is_linear = weight < 1 or not open_N.all()
        by = [*([name] if weight > 0 else []), *([LINEAR] if is_linear else [])]
        found.append(Judged(rows.select("id", "role", "label"), said_NC, ", ".join(by)))
    return found


def held_out(rows: pl.DataFrame, crossfitted: pl.DataFrame) -> pl.DataFrame:
    """What crossfit says of `rows`, in their order; no row where it was not asked."""
    if crossfitted.is_empty():
        return crossfitted
    return join_by_id(rows.select("id"), crossfitted, "the table of crossfit", "training examples")


def pooled(tuned_NC: np.ndarray, linear_NC: np.ndarray, weight: float) -> np.ndarray:
    return tuned_NC if weight == 1 else weight * tuned_NC + (1 - weight) * linear_NC


def best_weight(tuned_NC: np.ndarray, linear_NC: np.ndarray, label_N: np.ndarray, task: Task) -> float:
    """Of the fine-tuned model, in tenths: that of the least loss on these labels; 1 where it is alone."""
    if np.isnan(linear_NC).any():
        return 1.0
    loss_of = LOSS_OF_KINDS[task.kind]
    losses = {weight: loss_of(pooled(tuned_NC, linear_NC, weight), label_N) for weight in WEIGHTS}
    return min(losses, key=lambda weight: losses[weight])


def said_by(logits_NC: np.ndarray, task: Task) -> np.ndarray:
    """float64 [N, C]."""
    return SAID_OF_KINDS[task.kind](np.asarray(logits_NC, dtype=np.float64))


def _log_loss(said_NC: np.ndarray, label_N: np.ndarray) -> float:
    return float(-np.log(np.maximum(said_NC[np.arange(len(label_N)), label_N], LEAST)).mean())


def _log_loss_of_each(said_NC: np.ndarray, label_NC: np.ndarray) -> float:
    return float(-np.log(np.maximum(np.where(label_NC, said_NC, 1 - said_NC), LEAST)).mean())


LOSS_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], float]] = {
    "classification": _log_loss,
    "regression": lambda said_N1, label_N: float(((said_N1[:, 0] - label_N) ** 2).mean()),
    "multi-label": _log_loss_of_each,
}
SAID_OF_KINDS: dict[Kind, Callable[[np.ndarray], np.ndarray]] = {
    "classification": lambda logits_NC: np.asarray(softmax(logits_NC, axis=1)),
    "regression": lambda logits_N1: logits_N1,
    "multi-label": lambda logits_NC: np.asarray(expit(logits_NC)),
}
