from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from stages.lib.intervals import averaged_f1, counts_of, resample, wilson, with_intervals
from stages.lib.scores import scores, scores_by_class
from tests.test_scores import a_task

SETTINGS: dict[str, Any] = {"resamples": 500, "confidence": 0.95, "seed": 13}


def examples_of(matrix_CC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """labels_N, predicted_N with this confusion matrix."""
    labels_N, predicted_N = np.divmod(np.repeat(np.arange(matrix_CC.size), matrix_CC.ravel()), len(matrix_CC))
    return labels_N, predicted_N


def random_matrix(seed: int) -> np.ndarray:
    """2 to 7 classes; few examples, so that classes are absent, never predicted, or both."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(2, 8)
    matrix_CC = rng.poisson(rng.choice([0.1, 1, 20]), size=(classes, classes))
    matrix_CC[0, rng.integers(classes)] += 1  # there has to be an example
    return matrix_CC


DEGENERATE = {
    "one class predicted": [[5, 0, 0], [3, 0, 0], [2, 0, 0]],
    "one class absent": [[5, 1, 0], [1, 3, 0], [0, 0, 0]],
    "a class only predicted": [[5, 0, 2], [1, 3, 1], [0, 0, 0]],
    "all right": [[5, 0, 0], [0, 3, 0], [0, 0, 2]],
    "all wrong": [[0, 5, 0], [0, 0, 3], [2, 0, 0]],
    "one example": [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
}
MATRICES = [np.array(rows) for rows in DEGENERATE.values()] + [random_matrix(seed) for seed in range(30)]


@pytest.mark.parametrize("matrix_CC", MATRICES)
def test_the_vectorised_f1_is_that_of_scikit_learn(matrix_CC: np.ndarray) -> None:
    task = a_task([str(number) for number in range(len(matrix_CC))])
    plain = scores(task, *examples_of(matrix_CC))
    for name, value in averaged_f1(counts_of(matrix_CC)).items():
        assert value == pytest.approx(plain[name], abs=1e-12)


def test_the_vectorised_f1_of_many_matrices_is_that_of_each() -> None:
    resampled = resample(np.array([[8, 2, 0], [1, 3, 1], [0, 1, 1]]), 50, np.random.default_rng(0))
    together = averaged_f1(resampled)["macro_f1"]
    alone = [averaged_f1(type(resampled)(*(part[r] for part in resampled)))["macro_f1"] for r in range(50)]
    assert together.tolist() == alone


@pytest.mark.parametrize("matrix_CC", MATRICES)
def test_a_value_is_that_of_the_plain_metric_or_undefined(matrix_CC: np.ndarray) -> None:
    task = a_task([str(number) for number in range(len(matrix_CC))], positive="1")
    labels_N, predicted_N = examples_of(matrix_CC)
    figures = with_intervals(task, labels_N, predicted_N, **SETTINGS)
    plain = scores(task, labels_N, predicted_N)
    assert all(figures[name] in (value, None) for name, value in plain.items())
    for name, values in scores_by_class(task, labels_N, predicted_N).items():
        assert all(figures["by_class"][name][score] in (value, None) for score, value in values.items())


@pytest.mark.parametrize("matrix_CC", MATRICES)
def test_bounds_of_a_share_enclose_it(matrix_CC: np.ndarray) -> None:
    figures = with_intervals(
        a_task([str(number) for number in range(len(matrix_CC))]), *examples_of(matrix_CC), **SETTINGS
    )
    for values in figures["by_class"].values():
        for score in ("precision", "recall", "f1"):
            if values[score] is not None:
                low, high = values[f"{score}_low"], values[f"{score}_high"]
                assert -1e-9 <= low <= values[score] + 1e-9 <= high + 2e-9 <= 1 + 3e-9


def test_zero_divided_by_zero_is_undefined() -> None:
    task = a_task(["a", "b", "c"], positive="b")
    figures = with_intervals(task, np.array([0, 1, 1]), np.array([0, 0, 0]), **SETTINGS)
    assert figures["precision"] is figures["precision_low"] is figures["precision_high"] is None
    assert figures["recall"] == figures["f1"] == 0
    assert figures["by_class"]["b"]["precision"] is None
    assert set(figures["by_class"]["c"].values()) == {None, 0}  # 0 is its n


def test_the_positive_class_has_the_same_figures_flat_and_by_class() -> None:
    task = a_task(["a", "b"], positive="b")
    figures = with_intervals(task, *examples_of(np.array([[8, 2], [1, 9]])), **SETTINGS)
    by_class = {name: value for name, value in figures["by_class"]["b"].items() if name != "n"}
    assert by_class.items() <= figures.items()


def test_wilson_is_the_published_interval() -> None:
    # Newcombe 1998, table I: 81 of 263
    assert wilson(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_no_trials_have_no_interval() -> None:
    assert wilson(0, 0, 0.95) is None


def test_a_resample_has_as_many_examples() -> None:
    counts = resample(np.array([[8, 2], [1, 9]]), 200, np.random.default_rng(0))
    assert (counts.actual.sum(axis=1) == 20).all()
    assert (counts.predicted.sum(axis=1) == 20).all()
    assert (counts.hits <= np.minimum(counts.actual, counts.predicted)).all()


def test_resampled_matrices_are_resampled_examples() -> None:
    """The same distribution as drawing the examples themselves, by the bounds of macro F1."""
    matrix_CC = np.array([[40, 5, 1], [6, 30, 4], [2, 3, 9]])
    labels_N, predicted_N = examples_of(matrix_CC)
    rng = np.random.default_rng(1)
    drawn = (rng.integers(len(labels_N), size=len(labels_N)) for _ in range(3_000))
    matrices = [np.bincount(3 * labels_N[rows] + predicted_N[rows], minlength=9) for rows in drawn]
    plain = [averaged_f1(counts_of(matrix.reshape(3, 3)))["macro_f1"] for matrix in matrices]
    quick = averaged_f1(resample(matrix_CC, 20_000, np.random.default_rng(2)))["macro_f1"]
    assert np.quantile(quick, [0.025, 0.5, 0.975]) == pytest.approx(
        np.quantile(plain, [0.025, 0.5, 0.975]), abs=0.01
    )


def test_a_majority_class_dummy_has_an_interval() -> None:
    task = a_task(["a", "b"])
    figures = with_intervals(task, np.array([0] * 60 + [1] * 40), np.zeros(100, dtype=int), **SETTINGS)
    assert figures["macro_f1_low"] < figures["macro_f1"] < figures["macro_f1_high"]


def test_more_confidence_is_wider() -> None:
    task, examples = a_task(["a", "b"]), examples_of(np.array([[80, 20], [10, 90]]))
    narrow, wide = (with_intervals(task, *examples, **SETTINGS | {"confidence": c}) for c in (0.5, 0.99))
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]


def test_the_seed_decides_the_bootstrap() -> None:
    task, examples = a_task(["a", "b"]), examples_of(np.array([[80, 20], [10, 90]]))
    first, again, other = (with_intervals(task, *examples, **SETTINGS | {"seed": s}) for s in (1, 1, 2))
    assert first == again
    assert first["macro_f1_low"] != other["macro_f1_low"]


def test_95_percent_intervals_cover_about_95_percent() -> None:
    """Over random test sets of 500 examples with a class of 3 %."""
    joint_CC = np.array([[0.52, 0.04, 0.01], [0.03, 0.36, 0.01], [0.005, 0.005, 0.02]])
    truth = averaged_f1(counts_of(joint_CC * 1e9))["macro_f1"]
    rng, covered = np.random.default_rng(3), 0
    for _ in range(400):
        matrix_CC = rng.multinomial(500, joint_CC.ravel()).reshape(3, 3)
        low, high = np.quantile(averaged_f1(resample(matrix_CC, 400, rng))["macro_f1"], [0.025, 0.975])
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("trials", [1, 2, 9, 100, 12_345])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_of_a_share_is_that_of_scipy(trials: int, confidence: float) -> None:
    for hits in {0, 1, trials // 3, trials - 1, trials}:
        theirs = binomtest(hits, trials).proportion_ci(confidence, method="wilson")
        assert wilson(hits, trials, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
