import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, norm, pearsonr
from sklearn.metrics import matthews_corrcoef

from stages.lib.kinds import KINDS, Kind
from stages.lib.statistics.intervals import bca_interval, counts_of, resample, with_intervals
from stages.lib.statistics.scores import scores, scores_by_class
from stages.lib.statistics.weighted import Counts, averaged_f1, matthews
from stages.lib.statistics.wilson import wilson
from tests.predicted import task_of
from tests.test_scores import ALL_EXAMPLES, TASKS, random_examples

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
    task = task_of([str(number) for number in range(len(matrix_CC))])
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
    task = task_of([str(number) for number in range(len(matrix_CC))], positive="1")
    labels_N, predicted_N = examples_of(matrix_CC)
    figures = with_intervals(task, labels_N, predicted_N, **SETTINGS)
    plain = scores(task, labels_N, predicted_N)
    assert all(figures[name] in (value, None) for name, value in plain.items())
    for name, values in scores_by_class(task, labels_N, predicted_N).items():
        assert all(figures["by_class"][name][score] in (value, None) for score, value in values.items())


@pytest.mark.parametrize("matrix_CC", MATRICES)
def test_bounds_of_a_share_enclose_it(matrix_CC: np.ndarray) -> None:
    figures = with_intervals(
        task_of([str(number) for number in range(len(matrix_CC))]), *examples_of(matrix_CC), **SETTINGS
    )
    for values in figures["by_class"].values():
        for score in ("precision", "recall", "f1"):
            if values[score] is not None:
                low, high = values[f"{score}_low"], values[f"{score}_high"]
                assert -1e-9 <= low <= values[score] + 1e-9 <= high + 2e-9 <= 1 + 3e-9


def test_zero_divided_by_zero_is_undefined() -> None:
    task = task_of(["a", "b", "c"], positive="b")
    figures = with_intervals(task, np.array([0, 1, 1]), np.array([0, 0, 0]), **SETTINGS)
    assert figures["precision"] is figures["precision_low"] is figures["precision_high"] is None
    assert figures["recall"] == figures["f1"] == 0
    assert figures["by_class"]["b"]["precision"] is None
    assert (
        figures["undefined"] == {"precision": "b is never predicted"} == figures["by_class"]["b"]["undefined"]
    )
    absent = figures["by_class"]["c"]
    assert absent.pop("undefined") == {
        "precision": "c is never predicted",
        "recall": "no example is c",
        "f1": "c is never predicted and no example is c",
    }
    assert set(absent.values()) == {None, 0}  # 0 is its n
    assert "undefined" not in figures["by_class"]["a"]


def test_the_positive_class_has_the_same_figures_flat_and_by_class() -> None:
    task = task_of(["a", "b"], positive="b")
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
    task = task_of(["a", "b"])
    figures = with_intervals(task, np.array([0] * 60 + [1] * 40), np.zeros(100, dtype=int), **SETTINGS)
    assert figures["macro_f1_low"] < figures["macro_f1"] < figures["macro_f1_high"]


def test_more_confidence_is_wider() -> None:
    task, examples = task_of(["a", "b"]), examples_of(np.array([[80, 20], [10, 90]]))
    narrow, wide = (with_intervals(task, *examples, **SETTINGS | {"confidence": c}) for c in (0.5, 0.99))
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]


def test_the_seed_decides_the_bootstrap() -> None:
    task, examples = task_of(["a", "b"]), examples_of(np.array([[80, 20], [10, 90]]))
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


# --- every kind --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "labels_N", "predicted_N"), ALL_EXAMPLES)
def test_every_kind_has_the_plain_values_between_bounds_or_null_with_a_reason(
    kind: Kind, labels_N: np.ndarray, predicted_N: np.ndarray
) -> None:
    figures = with_intervals(TASKS[kind], labels_N, predicted_N, **SETTINGS | {"resamples": 50})
    assert figures["n"] == len(labels_N)
    assert "NaN" not in json.dumps(figures)
    bootstrapped = {"matthews"} | {f"{average}_f1" for average in ("micro", "macro", "weighted")}
    for name, value in scores(TASKS[kind], labels_N, predicted_N).items():
        bounds = figures[f"{name}_low"], figures[f"{name}_high"]
        if figures[name] is None:
            assert bounds == (None, None)
            assert figures["undefined"][name]
        else:
            assert figures[name] == value
            assert bounds[0] <= bounds[1]
            if name not in bootstrapped:  # whose resamples can lie to one side
                assert bounds[0] - 1e-9 <= figures[name] <= bounds[1] + 1e-9
    reasons = set(figures.get("undefined", {}))
    assert reasons == {name for name in figures if f"{name}_low" in figures and figures[name] is None}


def test_the_vectorised_matthews_correlation_of_many_resamples_is_that_of_scikit_learn() -> None:
    matrix_CC = np.array([[8, 2, 0], [1, 3, 1], [0, 1, 1]])
    drawn = np.random.default_rng(1).multinomial(17, matrix_CC.ravel() / 17, size=50).reshape(50, 3, 3)
    parts = [counts_of(of_CC) for of_CC in drawn]
    together = matthews(Counts(*(np.array(part) for part in zip(*parts, strict=True))))
    expected = [matthews_corrcoef(*examples_of(of_CC)) for of_CC in drawn]
    assert together == pytest.approx(expected, abs=1e-12)


def test_two_examples_have_a_correlation_and_no_interval() -> None:
    figures = with_intervals(TASKS["regression"], np.array([1.0, 2.0]), np.array([1.5, 3.0]), **SETTINGS)
    assert figures["pearson"] is figures["pearson_low"] is None
    assert figures["undefined"]["pearson"].startswith("a single example decides it")
    assert figures["mae"] == 0.75


def test_a_correlation_that_one_example_makes_has_no_interval() -> None:
    labels_N, predicted_N = np.array([0.0, 0, 0, 0, 5]), np.array([1.0, 2, 1, 2, 4])
    figures = with_intervals(TASKS["regression"], labels_N, predicted_N, **SETTINGS)
    assert set(figures["undefined"]) == {"pearson", "spearman", "r2"}


def test_the_interval_of_a_correlation_of_normal_numbers_is_about_fishers() -> None:
    rng = np.random.default_rng(2)
    labels_N = rng.normal(size=1_000)
    predicted_N = 0.8 * labels_N + 0.6 * rng.normal(size=1_000)
    figures = with_intervals(TASKS["regression"], labels_N, predicted_N, **SETTINGS)
    theirs = pearsonr(labels_N, predicted_N).confidence_interval(0.95)
    assert (figures["pearson_low"], figures["pearson_high"]) == pytest.approx(tuple(theirs), abs=0.004)


@pytest.mark.parametrize("kind", ["regression", "multi-label"])
def test_more_confidence_is_wider_and_the_seed_decides_the_bootstrap(kind: Kind) -> None:
    labels_N, predicted_N = random_examples(kind, seed=11)
    narrow, wide = (
        with_intervals(TASKS[kind], labels_N, predicted_N, **SETTINGS | {"confidence": c})
        for c in (0.5, 0.99)
    )
    for name in KINDS[kind].scores:
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]
    again, other = (
        with_intervals(TASKS[kind], labels_N, predicted_N, **SETTINGS | {"confidence": 0.99, "seed": s})
        for s in (13, 14)
    )
    assert again == wide
    assert (other == wide) is (kind == "regression")  # which needs no resamples


@pytest.mark.slow
def test_intervals_of_a_regression_cover_about_95_percent() -> None:
    """Over random test sets with many equal labels at either end, and errors that grow in the middle."""
    task, rng = TASKS["regression"], np.random.default_rng(6)

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        true_N = 5 * rng.beta(0.8, 0.7, number)
        labels_N = np.clip(np.round((true_N + rng.normal(0, 0.5, number)) * 5) / 5, 0, 5)
        return labels_N, true_N + rng.normal(size=number) * (0.3 + 0.1 * true_N * (5 - true_N))

    truth = scores(task, *drawn(200_000))
    found = [with_intervals(task, *drawn(70), **SETTINGS) for _ in range(300)]
    for name, true in truth.items():
        covered = np.mean([figures[f"{name}_low"] <= true <= figures[f"{name}_high"] for figures in found])
        assert 0.915 <= covered <= 0.985, name


def test_bca_is_that_of_scipy_on_an_average_f1() -> None:
    """SciPy's takes the examples themselves; ours the combinations that occur."""
    labels_NC, predicted_NC = random_examples("multi-label", seed=13)
    labels_NC, predicted_NC = np.tile(labels_NC, (2, 1)), np.tile(predicted_NC, (2, 1))
    figures = with_intervals(
        TASKS["multi-label"], labels_NC, predicted_NC, **SETTINGS | {"resamples": 20_000}
    )

    def micro_f1(places_N: np.ndarray) -> float:
        hits = (labels_NC & predicted_NC)[places_N].sum()
        return float(2 * hits / (labels_NC[places_N].sum() + predicted_NC[places_N].sum()))

    theirs = bootstrap(
        (np.arange(len(labels_NC)),), micro_f1, vectorized=False, n_resamples=5_000, method="BCa", rng=1
    ).confidence_interval
    width = theirs.high - theirs.low
    bounds = figures["micro_f1_low"], figures["micro_f1_high"]
    assert bounds == pytest.approx(tuple(theirs), abs=0.05 * width)


def test_bca_without_bias_and_skewness_is_the_percentiles() -> None:
    draws_R = np.linspace(0, 1, 1_001)
    without_G, alike_G = np.array([0.4, 0.6]), np.array([3, 3])
    assert bca_interval(0.5, draws_R, without_G, alike_G, 0.9) == pytest.approx((0.05, 0.95))
    # four in ten below it: both ends move by twice the quantile of that
    low, high = bca_interval(0.4, draws_R, without_G, alike_G, 0.9)
    assert (low, high) == pytest.approx(norm.cdf(2 * norm.ppf(0.4) + norm.ppf([0.05, 0.95])), abs=1e-3)
    assert bca_interval(1.0, np.ones(50), np.ones(4), np.ones(4), 0.95) == (1, 1)


def test_bca_of_a_skewed_mean_is_that_of_scipy_and_lies_above_the_percentiles() -> None:
    values_N = np.random.default_rng(8).exponential(size=25)
    draws_R = values_N[np.random.default_rng(9).integers(25, size=(40_000, 25))].mean(axis=1)
    without_G = (values_N.sum() - values_N) / 24
    found = bca_interval(values_N.mean(), draws_R, without_G, np.ones(25), 0.95)
    theirs = bootstrap((values_N,), np.mean, n_resamples=40_000, method="BCa", rng=1).confidence_interval
    width = theirs.high - theirs.low
    assert found == pytest.approx(tuple(theirs), abs=0.03 * width)
    assert found[1] > np.quantile(draws_R, 0.975) + 0.06 * width
