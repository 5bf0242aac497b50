"""Temperature scaling: one number that makes a classifier's probabilities mean what they say.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

HOTTEST = 20.0  # beyond it the probabilities are all but equal
COLDEST = 0.05


def fit_temperature(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """The T for which softmax(logits / T) has the least log loss on these labelled examples."""

    def log_loss(log_temperature: float) -> float:
        log_probabilities_NC = log_softmax(logits_NC / np.exp(log_temperature), axis=1)
        return float(-log_probabilities_NC[np.arange(len(labels_N)), labels_N].mean())

    found = minimize_scalar(log_loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return round(float(np.exp(found.x)), 4)
