from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from stages.lib.statistics.intervals import mean_interval
from stages.lib.statistics.probabilities import (
    LARGEST_LOG_LOSS,
    Bins,
    binned_by,
    calibration_interval,
    direction,
    equal_count,
    equal_width,
    expected_calibration_error,
    probability_scores,
    reliability,
    risk_coverage,
)
from stages.lib.statistics.wilson import wilson
from tests.predicted import task_of

SETTINGS: dict[str, Any] = {"bins": 10, "resamples": 300, "confidence": 0.95, "seed": 13}
SCORES = ("log_loss", "brier", "ece", "adaptive_ece")


def predictions(
    n: int, seed: int, *, classes: int = 4, too_sure: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits `too_sure` times those that the labels are drawn with."""
    rng = np.random.default_rng(seed)
    logits_NC = rng.normal(size=(n, classes)) * 2.5
    below_NC = softmax(logits_NC, axis=1).cumsum(axis=1) < rng.random((n, 1))
    return logits_NC * too_sure, below_NC.sum(axis=1).clip(max=classes - 1)


def sure_and_right(logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return softmax(logits_NC, axis=1).max(axis=1), logits_NC.argmax(axis=1) == labels_N


def two_classes(sure: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of examples predicted to be of class 0 with these probabilities, and their labels."""
    first_N = np.log(sure)
    return np.stack([first_N, np.log1p(-np.array(sure))], axis=1), np.array(
        [not hit for hit in right]
    ).astype(int)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_the_losses_are_those_of_scikit_learn(classes: int, seed: int) -> None:
    logits_NC, labels_N = predictions(200, seed, classes=classes, too_sure=3)
    figures, given_NC = probability_scores(logits_NC, labels_N, **SETTINGS), softmax(logits_NC, axis=1)
    names = list(range(classes))
    assert figures["log_loss"] == pytest.approx(log_loss(labels_N, given_NC, labels=names), rel=1e-12)
    plain = brier_score_loss(labels_N, given_NC, labels=names, scale_by_half=False)
    assert figures["brier"] == pytest.approx(plain, rel=1e-12)


def test_a_probability_of_0_costs_what_scikit_learn_charges() -> None:
    logits_NC = np.array([[0.0, 1e4], [1e4, 0.0], [-np.inf, 0.0]])
    figures = probability_scores(logits_NC, np.array([0, 0, 0]), **SETTINGS)
    plain = log_loss([0, 0, 0], softmax(logits_NC, axis=1), labels=[0, 1])
    assert figures["log_loss"] == pytest.approx(plain) == pytest.approx(2 / 3 * LARGEST_LOG_LOSS)
    assert figures["brier"] == pytest.approx(4 / 3)


def test_calibration_error_by_hand() -> None:
    logits_NC, labels_N = two_classes([0.95, 0.93, 0.85, 0.65], [True, False, True, True])
    figures = probability_scores(logits_NC, labels_N, **SETTINGS)
    assert figures["ece"] == pytest.approx((abs(1 - 1.88) + abs(1 - 0.85) + abs(1 - 0.65)) / 4)
    halves = probability_scores(logits_NC, labels_N, **SETTINGS | {"bins": 2})
    assert halves["adaptive_ece"] == pytest.approx((abs(1 - 1.88) + abs(2 - 1.5)) / 4)
    assert halves["ece"] == pytest.approx(abs(3 - 3.38) / 4)


def test_a_bin_holds_its_upper_edge() -> None:
    assert equal_width(np.array([0.0, 0.25, 0.26, 0.5, 1.0]), 4).tolist() == [0, 0, 1, 1, 3]


@pytest.mark.parametrize("n", [1, 3, 10, 997])
def test_bins_of_equal_count_differ_by_one_at_most(n: int) -> None:
    counts = np.bincount(equal_count(np.random.default_rng(n).random(n), 10))
    counts = counts[counts > 0]
    assert len(counts) == min(n, 10)
    assert counts.max() - counts.min() <= 1


def test_equal_probabilities_share_a_bin() -> None:
    place_N = equal_count(np.array([0.5, 0.9, 0.9, 0.9, 0.9, 0.95]), 3)
    assert place_N.tolist() == [0, 0, 0, 0, 0, 2]


def test_the_two_calibration_errors_drawn_side_by_side_are_those_of_each_alone() -> None:
    logits_NC, labels_N = predictions(300, 5)
    figures = probability_scores(logits_NC, labels_N, **SETTINGS)
    sure_N, right_N = sure_and_right(logits_NC, labels_N)
    order_N = np.argsort(sure_N)
    sure_N, right_N = sure_N[order_N], right_N[order_N]
    for name, place_of in (("ece", equal_width), ("adaptive_ece", equal_count)):
        binned = binned_by(place_of(sure_N, SETTINGS["bins"]), sure_N, right_N)
        rng = np.random.default_rng(SETTINGS["seed"])
        bounds = calibration_interval(binned, SETTINGS["resamples"], SETTINGS["confidence"], rng)
        assert (figures[name], figures[f"{name}_low"], figures[f"{name}_high"]) == (binned.error, *bounds)


def test_the_calibration_error_of_the_gate_is_the_same() -> None:
    logits_NC, labels_N = predictions(500, 1)
    plain = expected_calibration_error(*sure_and_right(logits_NC, labels_N), bins=10)
    assert probability_scores(logits_NC, labels_N, **SETTINGS)["ece"] == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("decimals", [0, 8])
def test_the_order_of_the_rows_changes_nothing(decimals: int) -> None:
    logits_NC, labels_N = predictions(300, 2)
    logits_NC = logits_NC.round(decimals)  # to whole numbers: many equal probabilities
    rows_N = np.random.default_rng(3).permutation(300)
    assert probability_scores(logits_NC, labels_N, **SETTINGS) == probability_scores(
        logits_NC[rows_N], labels_N[rows_N], **SETTINGS
    )
    there, here = (
        risk_coverage(logits_NC[order], labels_N[order], confidence=0.95, points=20)
        for order in (np.arange(300), rows_N)
    )
    assert there.equals(here)


@pytest.mark.parametrize("n", [1, 2, 5, 40, 400])
@pytest.mark.parametrize("too_sure", [0.01, 1, 100])
@pytest.mark.parametrize("classes", [2, 5])
def test_bounds_enclose_the_value_and_stay_within_its_range(n: int, too_sure: float, classes: int) -> None:
    logits_NC, labels_N = predictions(n, n, classes=classes, too_sure=too_sure)
    figures = probability_scores(logits_NC, labels_N, **SETTINGS)
    assert set(figures) == {f"{name}{end}" for name in SCORES for end in ("", "_low", "_high")}
    assert all(type(value) is float for value in figures.values())
    for name, largest in zip(SCORES, (LARGEST_LOG_LOSS, 2, 1, 1), strict=True):
        low, value, high = (figures[f"{name}{end}"] for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= largest


@pytest.mark.parametrize("right", [True, False])
def test_certain_and_always_or_never_right(right: bool) -> None:
    logits_NC, labels_N = np.tile([1e4, 0.0], (30, 1)), np.full(30, int(not right))
    figures = probability_scores(logits_NC, labels_N, **SETTINGS)
    assert (figures["ece"], figures["adaptive_ece"], figures["brier"] / 2) == (1 - right,) * 3


def test_more_confidence_is_wider_and_the_seed_decides_the_simulation() -> None:
    logits_NC, labels_N = predictions(400, 5, too_sure=2)
    narrow, wide = (
        probability_scores(logits_NC, labels_N, **SETTINGS | {"confidence": confidence})
        for confidence in (0.5, 0.99)
    )
    for name in SCORES:
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]
    first, again, other = (
        probability_scores(logits_NC, labels_N, **SETTINGS | {"seed": seed}) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["ece_low"] != other["ece_low"]


def test_the_interval_of_a_mean_without_skewness_is_students() -> None:
    values_N = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    # 2.776 is Student's quantile for four degrees of freedom
    assert mean_interval(values_N, 0.95, 10) == pytest.approx(
        (3 - 2.776 * 0.5**0.5, 3 + 2.776 * 0.5**0.5), abs=1e-3
    )


def test_the_interval_of_a_skewed_mean_solves_halls_equation() -> None:
    values_N = np.random.default_rng(6).gamma(0.5, size=80)
    mean, sd, n = values_N.mean(), values_N.std(ddof=1), len(values_N)
    skewness = (((values_N - mean) / sd) ** 3).mean()
    low, high = mean_interval(values_N, 0.95, 100)
    for bound, quantile in ((low, 1.9905), (high, -1.9905)):  # Student's, 79 degrees of freedom
        t = (mean - bound) / sd
        hall = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)
        assert hall * n**0.5 == pytest.approx(quantile, abs=1e-3)
    assert high - mean > mean - low  # a long tail above: the mean may be much larger


def test_flawless_and_sure_does_not_rule_out_a_large_calibration_error() -> None:
    logits_NC, labels_N = two_classes([0.999] * 20, [True] * 20)
    bounds = wilson(20, 20, 0.95)
    assert bounds is not None
    assert probability_scores(logits_NC, labels_N, **SETTINGS)["ece_high"] == pytest.approx(0.999 - bounds[0])


def test_the_interval_of_one_bin_is_that_of_its_accuracy() -> None:
    binned = Bins(np.array([2_000]), np.array([1_600]), np.array([0.9]))
    low, high = calibration_interval(binned, 5_000, 0.95, np.random.default_rng(1))
    half = 1.96 * (0.8 * 0.2 / 2_000) ** 0.5
    assert (low, high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.0012)


def test_the_interval_allows_for_how_the_test_set_is_divided() -> None:
    """Half of the examples are badly judged: another test set would have more of them, or fewer."""
    binned = Bins(np.array([1_000, 1_000]), np.array([200, 900]), np.array([0.9, 0.94]))
    bounds = calibration_interval(binned, 5_000, 0.95, np.random.default_rng(1))
    labels, division = (0.2 * 0.8 + 0.9 * 0.1) / 2, (0.7 - 0.04) ** 2 / 4
    half = 1.96 * ((labels + division) / 2_000) ** 0.5  # without the division 0.0155, with it 0.0212
    assert bounds == pytest.approx((binned.error - half, binned.error + half), abs=0.0015)


def test_the_gaps_of_small_bins_are_drawn_to_what_all_have_in_common() -> None:
    binned = binned_by(np.repeat([0, 1, 2], [2, 500, 500]), np.full(1002, 0.8), np.arange(1002) % 5 != 0)
    small, *large = direction(binned) - 0
    assert abs(small) < 0.05  # 1 of 2 right where 0.8 was said
    assert np.abs(large).max() < 0.01
    apart = binned_by(np.repeat([0, 1], 5_000), np.full(10_000, 0.8), np.repeat([True, False], 5_000))
    assert direction(apart) == pytest.approx([0.2, -0.8], abs=0.01)  # no noise: as observed


def test_reliability_by_hand() -> None:
    logits_NC, labels_N = two_classes([0.95, 0.93, 0.85, 0.65], [True, False, True, True])
    table = reliability(task_of(), logits_NC, labels_N, bins=10, confidence=0.95)
    assert table.columns == ["confidence", "accuracy", "low", "high", "n"]
    assert table["confidence"].to_list() == pytest.approx([0.65, 0.85, 0.94])
    assert table["accuracy"].to_list() == [1, 1, 0.5]
    assert table["n"].to_list() == [1, 1, 2]
    assert table.select("low", "high").row(2) == wilson(1, 2, 0.95)


def test_reliability_holds_every_example_and_adds_up_to_the_calibration_error() -> None:
    logits_NC, labels_N = predictions(700, 7)
    table = reliability(task_of(), logits_NC, labels_N, bins=10, confidence=0.95)
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["n"]
    assert table["n"].sum() == 700
    assert gaps.sum() / 700 == pytest.approx(probability_scores(logits_NC, labels_N, **SETTINGS)["ece"])


def test_risk_coverage_by_hand() -> None:
    logits_NC, labels_N = two_classes([0.6, 0.9, 0.8, 0.8, 0.7], [False, True, False, True, True])
    table = risk_coverage(logits_NC, labels_N, confidence=0.95, points=100)
    assert table.columns == ["coverage", "risk", "low", "high", "threshold"]
    assert table["coverage"].to_list() == [0.2, 0.6, 0.8, 1.0]  # the two of 0.8 together
    assert table["risk"].to_list() == [0, 1 / 3, 1 / 4, 2 / 5]
    assert table["threshold"].to_list() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert table.select("low", "high").row(3) == wilson(2, 5, 0.95)


@pytest.mark.parametrize("points", [1, 2, 7, 50, 5_000])
def test_risk_coverage_has_so_many_rows_at_most_and_ends_with_all(points: int) -> None:
    logits_NC, labels_N = predictions(500, 8)
    table = risk_coverage(logits_NC, labels_N, confidence=0.95, points=points)
    sure_N, right_N = sure_and_right(logits_NC, labels_N)
    assert table.height == min(points, 500)
    assert table["coverage"].is_sorted()
    assert table.row(-1)[:2] == pytest.approx((1, 1 - right_N.mean()))
    for coverage, risk, _, _, threshold in table.rows():
        assert (sure_N >= threshold).mean() == pytest.approx(coverage)
        assert 1 - right_N[sure_N >= threshold].mean() == pytest.approx(risk)


@pytest.mark.slow
@pytest.mark.parametrize("too_sure", [1.0, 1.2, 2.0])
@pytest.mark.parametrize("by", [equal_width, equal_count])
def test_95_percent_intervals_of_calibration_errors_cover_about_95_percent(
    too_sure: float, by: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    """Over test sets of 300 examples; a perfectly calibrated model's can only miss on one side."""
    logits_NC, _ = predictions(100_000, 9, too_sure=too_sure)
    sure_N = softmax(logits_NC, axis=1).max(axis=1)
    gap_N = softmax(logits_NC / too_sure, axis=1).max(axis=1) - sure_N
    truth = np.abs(np.bincount(by(sure_N, 10), gap_N)).sum() / len(sure_N)
    rng, covered = np.random.default_rng(10), 0
    for seed in range(200):
        sure, right = sure_and_right(*predictions(300, 1_000 + seed, too_sure=too_sure))
        low, high = calibration_interval(binned_by(by(sure, 10), sure, right), 150, 0.95, rng)
        covered += low <= truth + 1e-12 and truth <= high
    assert 0.92 <= covered / 200 <= 0.995
