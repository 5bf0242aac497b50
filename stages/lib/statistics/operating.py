"""Which examples can be decided automatically: those whose most probable class is probable enough.

A threshold is chosen on validation for each target precision, and then stays as it is. Precision is the share
of decided examples that are decided rightly; the rest is for a person to decide (selective classification:
Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", 2017).
"""

import math

import numpy as np

from stages.lib.config import StrictModel

PRECISIONS = (0.90, 0.95, 0.98)


class OperatingPoint(StrictModel):
    precision: float  # aimed at, on validation
    threshold: float | None  # least probability to decide at; None where validation reaches it nowhere


def operating_points(logits_NC: np.ndarray, labels_N: np.ndarray) -> list[OperatingPoint]:
    """For each of PRECISIONS the lowest threshold that reaches it here, which decides the most examples."""
    right_N, probability_N = sure_first(logits_NC, labels_N)
    precision_N = right_N.cumsum() / np.arange(1, len(right_N) + 1)
    # examples of one probability are decided together
    last_N = np.append(probability_N[1:] < probability_N[:-1], True) if len(right_N) else np.array([], bool)
    return [
        OperatingPoint(precision=aim, threshold=_threshold(probability_N[last_N & (precision_N >= aim)]))
        for aim in PRECISIONS
    ]


def sure_first(logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Is it right, and how probable is what is said: two [N], the most probable example first."""
    probabilities_NC = probabilities_of(logits_NC)
    probability_N = probabilities_NC.max(axis=1)
    order = np.argsort(-probability_N, kind="stable")
    return (probabilities_NC.argmax(axis=1) == labels_N)[order], probability_N[order]


def probabilities_of(logits_NC: np.ndarray) -> np.ndarray:
    from scipy.special import softmax  # a tenth of a second: not for those that only read operating points

    return np.asarray(softmax(logits_NC.astype(np.float64), axis=1))


def _threshold(reached: np.ndarray) -> float | None:
    return None if reached.size == 0 else downwards(reached.min())


def downwards(threshold: float) -> float:
    """To the six decimals that it is written with; the example that it was found on stays on its side."""
    return math.floor(threshold * 1e6) / 1e6
