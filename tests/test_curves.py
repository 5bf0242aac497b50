from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import expit, softmax
from sklearn.metrics import (
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from stages.lib.exceptions import DataError
from stages.lib.statistics.curves import precision_recall, roc
from stages.lib.task import Task
from tests.predicted import task_of

Curve = Callable[[Task, np.ndarray, np.ndarray, int], pl.DataFrame]
AXES: dict[Curve, tuple[str, str]] = {
    precision_recall: ("recall", "precision"),
    roc: ("false_positive_rate", "true_positive_rate"),
}
ALL = 10**9  # more points than any curve here has
both_curves = pytest.mark.parametrize("curve", [precision_recall, roc])


def binary(positive: str = "yes") -> Task:
    return task_of(["no", "yes"]).model_copy(update={"positive": positive})


def drawn(n: int, classes: int, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logits that lean towards them."""
    chance = np.random.default_rng(n + classes)
    labels_N = chance.integers(classes, size=n)
    logits_NC = chance.normal(size=(n, classes)).astype(np.float32)
    logits_NC[np.arange(n), labels_N] += strength
    return logits_NC, labels_N


def scores_of(logits_NC: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(logits_NC.astype(np.float64), axis=1))


def area(curve: pl.DataFrame, x: str, y: str) -> float:
    return float(abs(np.trapezoid(curve[y], curve[x])))


@pytest.mark.parametrize(("positive", "place"), [("yes", 1), ("no", 0)])
def test_of_the_positive_class_where_the_task_has_one(positive: str, place: int) -> None:
    logits_NC, labels_N = drawn(300, 2)
    truth_N, score_N = labels_N == place, scores_of(logits_NC)[:, place]
    precision, recall, threshold = precision_recall_curve(truth_N, score_N, drop_intermediate=True)
    expected = pl.DataFrame({"recall": recall, "precision": precision, "threshold": [*threshold, None]})
    assert_frame_equal(precision_recall(binary(positive), logits_NC, labels_N, ALL), expected)

    false_rate, true_rate, threshold = roc_curve(truth_N, score_N)
    expected = pl.DataFrame(
        {
            "false_positive_rate": false_rate,
            "true_positive_rate": true_rate,
            "threshold": [None, *threshold[1:]],
        }
    )
    assert_frame_equal(roc(binary(positive), logits_NC, labels_N, ALL), expected)


def test_otherwise_every_pair_of_example_and_class_is_a_decision() -> None:
    logits_NC, labels_N = drawn(200, 6)
    scores_NC, truth_NC = scores_of(logits_NC), np.eye(6)[labels_N]
    task = task_of(list("abcdef"))
    found = area(roc(task, logits_NC, labels_N, ALL), *AXES[roc])
    assert found == pytest.approx(roc_auc_score(truth_NC, scores_NC, average="micro"))

    curve = precision_recall(task, logits_NC, labels_N, ALL)
    precision, recall, _ = precision_recall_curve(truth_NC.ravel(), scores_NC.ravel())
    whole = pl.DataFrame({"recall": recall, "precision": precision})
    assert area(curve, *AXES[precision_recall]) == pytest.approx(area(whole, *AXES[precision_recall]))


def test_each_of_several_labels_is_a_decision_by_its_own_probability() -> None:
    chance = np.random.default_rng(5)
    labels_NC = chance.random((300, 3)) < [0.5, 0.2, 0.1]
    logits_NC = (labels_NC + chance.normal(size=(300, 3))).astype(np.float32)
    task, probabilities_NC = task_of(kind="multi-label"), expit(logits_NC.astype(np.float64))
    found = area(roc(task, logits_NC, labels_NC, ALL), *AXES[roc])
    assert found == pytest.approx(roc_auc_score(labels_NC, probabilities_NC, average="micro"))
    curve = precision_recall(task, logits_NC, labels_NC, ALL)
    assert curve["threshold"].drop_nulls().to_numpy() == pytest.approx(
        precision_recall_curve(labels_NC.ravel(), probabilities_NC.ravel(), drop_intermediate=True)[2]
    )


@both_curves
def test_a_regression_has_no_curve(curve: Curve) -> None:
    with pytest.raises(DataError, match="a regression has no probabilities"):
        curve(task_of(kind="regression"), np.zeros((2, 1)), np.zeros(2), 20)


@both_curves
@pytest.mark.parametrize("points", [2, 3, 50])
def test_thinned_to_points_of_the_whole_curve_with_both_ends(curve: Curve, points: int) -> None:
    logits_NC, labels_N = drawn(2000, 2)
    whole = curve(binary(), logits_NC, labels_N, ALL)
    thinned = curve(binary(), logits_NC, labels_N, points)
    assert len(whole) > 100
    assert points * 0.9 <= len(thinned) <= points
    assert_frame_equal(thinned[[0, -1]], whole[[0, -1]])
    assert_frame_equal(thinned.join(whole, on=whole.columns, nulls_equal=True), thinned)


@both_curves
def test_what_is_left_out_lies_close_to_what_stays(curve: Curve) -> None:
    logits_NC, labels_N = drawn(2000, 2)
    x, y = AXES[curve]
    thinned = curve(binary(), logits_NC, labels_N, 200)
    whole = curve(binary(), logits_NC, labels_N, ALL)
    # even in length, so no stretch of the curve goes without points, however many thresholds lie elsewhere
    apart = np.abs(whole.select(x, y).to_numpy()[:, None] - thinned.select(x, y).to_numpy()).sum(axis=2)
    assert apart.min(axis=1).max() < 0.02
    assert area(thinned, x, y) == pytest.approx(area(whole, x, y), abs=2e-3)


@both_curves
def test_a_short_curve_is_left_whole(curve: Curve) -> None:
    logits_NC, labels_N = drawn(300, 2)
    whole = curve(binary(), logits_NC, labels_N, ALL)
    assert_frame_equal(curve(binary(), logits_NC, labels_N, len(whole)), whole)


@both_curves
@pytest.mark.parametrize("strength", [0.0, 1.0, 1e4])
def test_every_value_is_a_number_and_one_threshold_is_missing(curve: Curve, strength: float) -> None:
    logits_NC, labels_N = drawn(100, 3, strength)
    found = curve(task_of(), logits_NC, labels_N, 20)
    assert not any(found[name].is_infinite().any() or found[name].is_nan().any() for name in found.columns)
    assert found.null_count().row(0) == (0, 0, 1)


@both_curves
def test_a_constant_model_has_the_two_ends(curve: Curve) -> None:
    labels_N = np.array([0, 0, 0, 1])
    found = curve(binary(), np.zeros((4, 2), dtype=np.float32), labels_N, 20)
    ends: dict[Curve, list[tuple[float, float]]] = {
        precision_recall: [(1.0, 0.25), (0.0, 1.0)],
        roc: [(0.0, 0.0), (1.0, 1.0)],
    }
    assert found.select(AXES[curve]).rows() == ends[curve]


@pytest.mark.parametrize(("curve", "labels"), [(precision_recall, [0, 0]), (roc, [0, 0]), (roc, [1, 1])])
def test_undefined_curves_are_empty_tables_of_the_same_columns(curve: Curve, labels: list[int]) -> None:
    logits_NC, labels_N = drawn(300, 2)
    found = curve(binary(), logits_NC[:2], np.array(labels), 20)
    assert found.is_empty()
    assert found.schema == curve(binary(), logits_NC, labels_N, 20).schema


@both_curves
def test_no_example_no_curve(curve: Curve) -> None:
    assert curve(task_of(), np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=int), 20).is_empty()


def test_all_positive_still_has_precision() -> None:
    logits_NC, _ = drawn(10, 2)
    found = precision_recall(binary(), logits_NC, np.ones(10, dtype=int), 20)
    assert found["precision"].to_list() == [1.0] * len(found)
