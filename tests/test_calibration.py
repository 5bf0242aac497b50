import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from stages.lib.statistics.calibration import COLDEST, HOTTEST, fit_temperature


def drawn(logits_NC: np.ndarray, seed: int) -> np.ndarray:
    """Labels that occur as often as softmax(logits) says."""
    uniform_N1 = np.random.default_rng(seed).random((len(logits_NC), 1))
    return np.asarray((softmax(logits_NC, axis=1).cumsum(axis=1) < uniform_N1).sum(axis=1))


def fit(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    found = fit_temperature("classification", logits_NC, labels_N)
    assert found is not None
    return found


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(temperature: float) -> None:
    logits_NC = np.random.default_rng(1).normal(size=(20_000, 4)) * 2
    assert fit(logits_NC * temperature, drawn(logits_NC, 2)) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_one_temperature_serves_several_labels(temperature: float) -> None:
    chance = np.random.default_rng(1)
    logits_NC = chance.normal(-2, 2, size=(8_000, 5))
    labels_NC = chance.random(logits_NC.shape) < expit(logits_NC)
    found = fit_temperature("multi-label", logits_NC * temperature, labels_NC)
    assert found == pytest.approx(temperature, rel=0.05)


def test_a_number_has_no_temperature() -> None:
    assert fit_temperature("regression", np.array([[1.0], [2.0]]), np.array([1.0, 3.0])) is None


def test_no_other_temperature_has_less_log_loss() -> None:
    logits_NC = np.random.default_rng(3).normal(size=(500, 3)) * 4
    labels_N = drawn(logits_NC / 3, 4)

    def loss(temperature: float) -> float:
        return float(-log_softmax(logits_NC / temperature, axis=1)[np.arange(500), labels_N].mean())

    found = fit(logits_NC, labels_N)
    assert all(loss(found) <= loss(found * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_a_flawless_and_a_hopeless_model_stay_within_bounds() -> None:
    logits_NC = np.eye(3)[[0, 1, 2] * 10]
    assert COLDEST <= fit(logits_NC, np.array([0, 1, 2] * 10)) < 1
    assert 1 < fit(logits_NC, np.array([1, 2, 0] * 10)) <= HOTTEST
