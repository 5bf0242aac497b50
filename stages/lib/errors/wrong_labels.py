"""How many labels are wrong, by role: the share that the surest of a judge's answers disagree with.

Confident learning would take the judge's own mistakes for wrong labels (with a judge that is right on 72 % of
the sample's rows it finds 20 % wrong, and 2 % are). So the share is that of the labels that differ from what
the judge says where it is surest of what it says (anchor points: Liu and Tao, TPAMI 2016; Patrini et al.,
CVPR 2017, who take the surest 3 %). That is an upper estimate: what the judge gets wrong there is in it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.lib.errors.judges import Judged
from stages.lib.errors.knobs import Params
from stages.lib.errors.label_issues import LIKELY, can_be_judged
from stages.lib.kinds import Kind
from stages.lib.labels import array_of
from stages.lib.statistics.wilson import wilson
from stages.lib.task import Task

FEWEST = 20  # answers, below which an interval says nothing


def issue_numbers(judged: Judged, table: pl.DataFrame, params: Params, task: Task) -> dict[str, Any]:
    """n, issues, judged_by, and share, low and high; these are null where `reason` says why."""
    counts = {"n": len(table), "issues": int(table["is_issue"].sum()), "judged_by": judged.judged_by}
    return counts | wrong_share(judged, params.surest_fraction, params.confidence, task)


def wrong_share(judged: Judged, fraction: float, confidence: float, task: Task) -> dict[str, Any]:
    """Of the labels; where a row has several, of all the yes and no that make up its labels."""
    answers_of = ANSWERS_OF_KINDS[task.kind]
    if answers_of is None:
        return _unknown("a number is not right or wrong, but more or less off")
    known_N = can_be_judged(judged)
    label_N = array_of(judged.rows["label"].filter(pl.Series(known_N)), task)
    if len(np.unique(label_N)) < 2:
        return _unknown("there are no two labels that differ")
    answers = answers_of(label_N, judged.said[known_N])
    surest_A = surest(answers, fraction)
    hits, trials = int(answers.disagrees[surest_A].sum()), int(surest_A.sum())
    if trials < FEWEST:
        return _unknown(f"the surest {fraction:.0%} are {trials} answers, fewer than {FEWEST}")
    low, high = wilson(hits, trials, confidence) or (0.0, 1.0)
    return {"share": hits / trials, "low": low, "high": high}


class Answers(NamedTuple):
    """What a judge says, A times: one an example, or one an example and label."""

    said: np.ndarray  # int64 [A]: answers that differ in this are no rivals for the surest
    sureness: np.ndarray  # float64 [A]: its probability
    disagrees: np.ndarray  # bool [A]: with the label


def _of_class(label_N: np.ndarray, said_NC: np.ndarray) -> Answers:
    said_N = said_NC.argmax(axis=1)
    return Answers(said_N, said_NC.max(axis=1), said_N != label_N)


def _of_each_label(label_NC: np.ndarray, said_NC: np.ndarray) -> Answers:
    yes_NC = said_NC >= LIKELY
    said_NC = np.where(yes_NC, said_NC, 1 - said_NC)
    which_NC = 2 * np.arange(label_NC.shape[1]) + yes_NC
    return Answers(which_NC.ravel(), said_NC.ravel(), (yes_NC != label_NC).ravel())


ANSWERS_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], Answers] | None] = {
    "classification": _of_class,
    "regression": None,
    "multi-label": _of_each_label,
}


def surest(answers: Answers, fraction: float) -> np.ndarray:
    """bool [A]: so large a part of those that say the same, rounded up; of equally sure ones the first."""
    table = pl.DataFrame({"said": answers.said, "sureness": -answers.sureness})
    place = pl.col("sureness").rank("ordinal").over("said")
    return table.select(place <= (fraction * pl.len().over("said")).ceil()).to_series().to_numpy()


def _unknown(reason: str) -> dict[str, Any]:
    return {"share": None, "low": None, "high": None, "reason": reason}
