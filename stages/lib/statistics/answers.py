"""What a model says of each example, from its logits: an array of stages/lib/labels.py."""

from collections.abc import Callable

import numpy as np

from stages.lib.kinds import Kind
from stages.lib.statistics.multi_label import above
from stages.lib.task import Task

Thresholds = list[float] | None  # of several labels an example, the least probability of each


def answers(task: Task, logits_NC: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    """Of equal logits the first class counts; a regression has the number itself for its logit."""
    return ANSWERS_OF_KINDS[task.kind](logits_NC, thresholds)


def _labels(logits_NC: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    if thresholds is None:
        raise ValueError("several labels an example need the thresholds that validation chose")
    return above(logits_NC, thresholds)


ANSWERS_OF_KINDS: dict[Kind, Callable[[np.ndarray, Thresholds], np.ndarray]] = {
    "classification": lambda logits_NC, _: logits_NC.argmax(axis=1),
    "regression": lambda logits_N1, _: logits_N1[:, 0].astype(np.float64),
    "multi-label": _labels,
}
