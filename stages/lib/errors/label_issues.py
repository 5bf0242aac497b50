"""Labels that are probably wrong: a quality for each, by cleanlab.

The quality is cleanlab's self-confidence, the probability that the judge gives the label that stands there
(Northcutt, Jiang and Chuang, "Confident Learning", JAIR 2021; of several labels a row Thyagarajan et al.,
"Identifying Incorrect Annotations in Multi-Label Classification Data", 2022); of a regression cleanlab's
residual score, exp of minus the error in robust standard deviations. What `is_issue` says is cleanlab's cut
by confident learning; of a regression it is an error beyond 3.5 of those (Iglewicz and Hoaglin 1993).

Shapes: N examples, C classes or labels.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from cleanlab import filter as cleanlab_filter
from cleanlab import rank
from cleanlab.multilabel_classification import rank as multilabel_rank
from cleanlab.regression import rank as regression_rank

from stages.lib.errors.judges import Judged
from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS, array_of, names_of, names_of_array
from stages.lib.task import Task

FAR = 3.5  # robust standard deviations
LIKELY = 0.5  # a label is suggested from this probability on: more likely than not


class Found(NamedTuple):
    """Of rows that a judge knows something about."""

    quality: np.ndarray  # float64 [N], 0 to 1
    suggested: np.ndarray  # an array of stages/lib/labels.py
    is_issue: np.ndarray  # bool [N]


def issue_table(judged: Judged, task: Task) -> pl.DataFrame:
    """id, role, rank, quality, label, suggested, is_issue, judged_by; the most suspicious first.

    A row that nobody can judge has no quality and comes last.
    """
    known_N = can_be_judged(judged)
    rows = judged.rows.with_columns(names_of(judged.rows["label"], task), known=pl.Series(known_N))
    known = rows.filter("known").with_columns(**_columns(judged, known_N, task))
    table = pl.concat([known, rows.filter(~pl.col("known"))], how="diagonal")
    table = table.sort("quality", maintain_order=True, nulls_last=True).with_row_index("rank", offset=1)
    return table.select(
        "id",
        "role",
        pl.col("rank").cast(pl.Int64),
        "quality",
        "label",
        "suggested",
        pl.col("is_issue").fill_null(False),
        judged_by=pl.lit(judged.judged_by),
    )


def _columns(judged: Judged, known_N: np.ndarray, task: Task) -> dict[str, pl.Series]:
    label_N = array_of(judged.rows["label"].filter(pl.Series(known_N)), task)
    if not len(label_N):
        empty = {
            "quality": pl.Float64(),
            "suggested": NAME_TYPE_OF_KINDS[task.kind],
            "is_issue": pl.Boolean(),
        }
        return {name: pl.Series([], dtype=dtype) for name, dtype in empty.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cleanlab tells of classes with few rows, and there is nothing to do
        found = FOUND_OF_KINDS[task.kind](label_N, judged.said[known_N])
    return {
        "quality": pl.Series(found.quality, dtype=pl.Float64),
        "suggested": names_of_array(found.suggested, task),
        "is_issue": pl.Series(found.is_issue),
    }


def can_be_judged(judged: Judged) -> np.ndarray:
    """bool [N]."""
    known_N: np.ndarray = ~np.isnan(judged.said).any(axis=1)
    return known_N


def _of_class(label_N: np.ndarray, said_NC: np.ndarray) -> Found:
    suggested_N = said_NC.argmax(axis=1)
    quality_N: np.ndarray = rank.get_label_quality_scores(label_N, said_NC, method="self_confidence")
    return Found(quality_N, suggested_N, _cut(label_N, said_NC))


def _cut(label_N: np.ndarray, said_NC: np.ndarray) -> np.ndarray:
    if len(np.unique(label_N)) < 2:  # which cleanlab refuses, for no other label is known
        return np.zeros(len(label_N), dtype=bool)
    is_issue_N: np.ndarray = cleanlab_filter.find_label_issues(label_N, said_NC, n_jobs=1)
    return is_issue_N


def _of_score(label_N: np.ndarray, said_N1: np.ndarray) -> Found:
    error_N = label_N - said_N1[:, 0]
    spread = 1.4826 * float(np.median(np.abs(error_N - np.median(error_N)))) or float(error_N.std()) or 1.0
    # with a pair of zeros behind: cleanlab refuses a single row
    padded = [np.append(values_N / spread, [0.0, 0.0]) for values_N in (label_N, said_N1[:, 0])]
    quality_N = regression_rank.get_label_quality_scores(*padded, method="residual")[:-2]
    return Found(quality_N, said_N1[:, 0], np.abs(error_N) > FAR * spread)


def _of_labels(label_NC: np.ndarray, said_NC: np.ndarray) -> Found:
    """A row is an issue where one of its labels is, each judged against its absence, as cleanlab has it."""
    each_C = [
        _of_class(has_N.astype(int), _or_not(said_N))
        for has_N, said_N in zip(label_NC.T, said_NC.T, strict=True)
    ]
    is_issue_N = np.any([each.is_issue for each in each_C], axis=0)
    if len(each_C) == 1:
        return Found(each_C[0].quality, said_NC >= LIKELY, is_issue_N)
    # with a row of one label and a row of all behind: cleanlab refuses rows that all have equally many
    labels = list(range(label_NC.shape[1]))
    listed = [*(np.flatnonzero(row_C).tolist() for row_C in label_NC), labels[:1], labels]
    said = np.vstack([said_NC, np.ones((2, len(labels)))])
    quality_N = multilabel_rank.get_label_quality_scores(listed, said)[:-2]
    return Found(quality_N, said_NC >= LIKELY, is_issue_N)


def _or_not(said_N: np.ndarray) -> np.ndarray:
    """float64 [N, 2]: of a label's absence, and of the label."""
    return np.column_stack([1 - said_N, said_N])


FOUND_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], Found]] = {
    "classification": _of_class,
    "regression": _of_score,
    "multi-label": _of_labels,
}
