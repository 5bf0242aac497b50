"""Several labels an example: which of them a model says, by a threshold on each label's probability.

The thresholds are chosen on validation, each for the best F1 of its label (Yang, "A Study of Thresholding
Strategies for Text Categorization", SIGIR 2001: SCut), and then stay as they are.

Shapes: N examples, C labels.
"""

import numpy as np

from stages.lib.statistics.operating import downwards

UNTUNED = 0.5  # where validation has no example of a label


def above(logits_NC: np.ndarray, thresholds: list[float]) -> np.ndarray:
    """bool [N, C]: the labels whose probability reaches their threshold; none, if none does."""
    return np.asarray(_probabilities(logits_NC) >= np.array(thresholds))


def fit_thresholds(logits_NC: np.ndarray, labels_NC: np.ndarray) -> list[float]:
    return [best_f1_threshold(*pair) for pair in zip(_probabilities(logits_NC).T, labels_NC.T, strict=True)]


def best_f1_threshold(probability_N: np.ndarray, is_label_N: np.ndarray) -> float:
    """The least probability to say a label from, for the best F1 of that label here; of equals the least."""
    from sklearn.metrics import precision_recall_curve  # a second: only for those that fit thresholds

    if not is_label_N.any():
        return UNTUNED
    precision_T, recall_T, threshold_T = precision_recall_curve(is_label_N, probability_N)
    f1_T = 2 * precision_T * recall_T / np.maximum(precision_T + recall_T, np.finfo(float).tiny)
    return downwards(float(threshold_T[f1_T[:-1].argmax()]))


def _probabilities(logits_NC: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # a tenth of a second, which stages without several labels do without

    return np.asarray(expit(np.asarray(logits_NC, dtype=np.float64)))
