import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import f1_score

from stages.lib.statistics.multi_label import UNTUNED, above, best_f1_threshold, fit_thresholds


def test_no_other_threshold_has_a_better_f1() -> None:
    chance = np.random.default_rng(2)
    is_label_N = chance.random(300) < 0.2
    probability_N = np.clip(chance.normal(0.3 + 0.3 * is_label_N, 0.15), 0.001, 0.999)
    found = best_f1_threshold(probability_N, is_label_N)
    best = f1_score(is_label_N, probability_N >= found)
    assert best >= max(f1_score(is_label_N, probability_N >= other) for other in np.linspace(0, 1, 501))
    assert best > f1_score(is_label_N, probability_N >= 0.5) + 0.02


def test_each_label_has_a_threshold_of_its_own() -> None:
    probabilities_NC = np.array([[0.9, 0.2], [0.8, 0.3], [0.4, 0.05], [0.1, 0.01]])
    labels_NC = np.array([[True, True], [True, True], [False, False], [False, False]])
    thresholds = fit_thresholds(logit(probabilities_NC), labels_NC)
    assert thresholds == pytest.approx([0.8, 0.2], abs=1e-5)
    assert (above(logit(probabilities_NC), thresholds) == labels_NC).all()


def test_a_label_that_validation_lacks_keeps_one_half() -> None:
    assert fit_thresholds(np.zeros((3, 1)), np.zeros((3, 1), dtype=bool)) == [UNTUNED]


def test_the_example_that_a_threshold_was_found_on_stays_on_its_side() -> None:
    probability_N = np.array([1 / 3, 0.1])
    threshold = best_f1_threshold(probability_N, np.array([True, False]))
    assert threshold <= 1 / 3
    assert above(logit(probability_N)[:, None], [threshold])[:, 0].tolist() == [True, False]


def test_nothing_is_said_where_nothing_is_probable_enough() -> None:
    assert not above(np.array([[-3.0, -4.0]]), [0.5, 0.5]).any()
