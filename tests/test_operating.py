import numpy as np
import pytest

from stages.lib.statistics.operating import PRECISIONS, OperatingPoint, operating_points
from stages.lib.statistics.thresholds import decided


def logits_of(probability_of_0: list[float]) -> np.ndarray:
    p_N = np.array(probability_of_0)
    return np.asarray(np.log(np.stack([p_N, 1 - p_N], axis=1)))


def thresholds(logits_NC: np.ndarray, labels: list[int]) -> list[float | None]:
    return [point.threshold for point in operating_points(logits_NC, np.array(labels))]


def test_the_lowest_threshold_that_reaches_the_precision_is_taken() -> None:
    # sure first: right, right, wrong, then 17 right: 19 of 20 are right down to 0.6, and 19 of 21 to 0.55
    sure = [0.99, 0.98, 0.97, *np.linspace(0.9, 0.6, 17), 0.55]
    found = thresholds(logits_of(sure), [0, 0, 1, *[0] * 17, 1])
    assert found == [
        pytest.approx(0.55, abs=2e-6),
        pytest.approx(0.6, abs=2e-6),
        pytest.approx(0.98, abs=2e-6),
    ]


def test_the_example_that_gave_the_threshold_is_decided() -> None:
    logits_NC = logits_of([0.9 + 1e-7, 0.7, 0.8])
    for point, row in zip(
        operating_points(logits_NC, np.array([0, 1, 0])),
        decided(logits_NC, np.array([0, 1, 0]), operating_points(logits_NC, np.array([0, 1, 0])), 0.95),
        strict=True,
    ):
        assert row["share"] == pytest.approx(2 / 3)
        assert row["precision"] == 1
        assert row["threshold"] == point.threshold


def test_examples_of_one_probability_are_decided_together() -> None:
    assert thresholds(logits_of([0.8, 0.8]), [0, 1]) == [None, None, None]
    assert thresholds(logits_of([0.8, 0.8]), [1, 0]) == [None, None, None]


def test_what_cannot_be_reached_decides_nothing() -> None:
    logits_NC, labels_N = logits_of([0.9, 0.8]), np.array([1, 1])
    rows = decided(logits_NC, labels_N, operating_points(logits_NC, labels_N), 0.95)
    assert [row["share"] for row in rows] == [0, 0, 0]
    assert all(row["precision"] is row["precision_low"] is None for row in rows)


def test_the_threshold_is_applied_as_it_is_to_other_examples() -> None:
    points = [OperatingPoint(precision=0.9, threshold=0.75)]
    (row,) = decided(logits_of([0.9, 0.8, 0.7, 0.2]), np.array([0, 1, 0, 1]), points, 0.95)
    assert row["share"] == 3 / 4  # 0.2 for class 0 is 0.8 for class 1
    assert row["precision"] == pytest.approx(2 / 3)
    assert row["share_low"] < 3 / 4 < row["share_high"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    logits_NC, labels_N = rng.normal(size=(200, 3)).round(1), rng.integers(0, 3, 200)
    order = rng.permutation(200)
    assert operating_points(logits_NC, labels_N) == operating_points(logits_NC[order], labels_N[order])


def test_there_is_a_point_for_each_precision() -> None:
    points = operating_points(np.zeros((0, 2)), np.zeros(0, int))
    assert [point.precision for point in points] == list(PRECISIONS)
