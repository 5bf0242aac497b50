import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from stages.lib.calibration import COLDEST, HOTTEST, fit_temperature


def drawn(logits_NC: np.ndarray, seed: int) -> np.ndarray:
    """Labels that occur as often as softmax(logits) says."""
    uniform_N1 = np.random.default_rng(seed).random((len(logits_NC), 1))
    return np.asarray((softmax(logits_NC, axis=1).cumsum(axis=1) < uniform_N1).sum(axis=1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(temperature: float) -> None:
    logits_NC = np.random.default_rng(1).normal(size=(20_000, 4)) * 2
    assert fit_temperature(logits_NC * temperature, drawn(logits_NC, 2)) == pytest.approx(
        temperature, rel=0.05
    )


def test_no_other_temperature_has_less_log_loss() -> None:
    logits_NC = np.random.default_rng(3).normal(size=(500, 3)) * 4
    labels_N = drawn(logits_NC / 3, 4)

    def loss(temperature: float) -> float:
        return float(-log_softmax(logits_NC / temperature, axis=1)[np.arange(500), labels_N].mean())

    found = fit_temperature(logits_NC, labels_N)
    assert all(loss(found) <= loss(found * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_a_flawless_and_a_hopeless_model_stay_within_bounds() -> None:
    logits_NC = np.eye(3)[[0, 1, 2] * 10]
    assert COLDEST <= fit_temperature(logits_NC, np.array([0, 1, 2] * 10)) < 1
    assert 1 < fit_temperature(logits_NC, np.array([1, 2, 0] * 10)) <= HOTTEST
