"""Temperature scaling: one number that makes a classifier's probabilities mean what they say.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017. Where an example has
several labels it is one temperature for all of them, under the sigmoid instead of the softmax.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from stages.lib.kinds import Kind

HOTTEST = 20.0  # beyond it the probabilities are all but equal
COLDEST = 0.05


def fit_temperature(kind: Kind, logits_NC: np.ndarray, labels_N: np.ndarray) -> float | None:
    """The T by which logits are to be divided for the least log loss on these labelled examples.

    None where the kind has no probabilities at all.
    """
    log_loss = LOG_LOSS_OF_KINDS[kind]
    if log_loss is None:
        return None
    found = minimize_scalar(
        lambda log_temperature: log_loss(logits_NC / np.exp(log_temperature), labels_N),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def _of_classes(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    return float(-log_softmax(logits_NC, axis=1)[np.arange(len(labels_N)), labels_N].mean())


def _of_each_label(logits_NC: np.ndarray, labels_NC: np.ndarray) -> float:
    return float(-np.where(labels_NC, log_expit(logits_NC), log_expit(-logits_NC)).mean())


LOG_LOSS_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], float] | None] = {
    "classification": _of_classes,
    "regression": None,
    "multi-label": _of_each_label,
}
