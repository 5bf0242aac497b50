import math
import warnings
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    root_mean_squared_error,
)

from stages.lib.kinds import KINDS, Kind
from stages.lib.statistics.scores import metric_names, scores, scores_by_class, undefined
from tests.predicted import task_of

SPAM = task_of(["ham", "spam"], positive="spam")
SCORE = task_of(kind="regression")
TAGS = task_of(["a", "b", "c"], kind="multi-label")
LABELS_N = np.array([1, 1, 1, 0, 0, 0, 0, 0])
PREDICTED_N = np.array([1, 1, 0, 1, 0, 0, 0, 0])

Truth = Callable[[np.ndarray, np.ndarray], float]
# Their own, with the options that ours are documented to have.
THEIRS: dict[Kind, dict[str, Truth]] = {
    "classification": {
        "accuracy": accuracy_score,
        "macro_f1": lambda y, p: f1_score(y, p, average="macro", zero_division=0),
        "weighted_f1": lambda y, p: f1_score(y, p, average="weighted", zero_division=0),
        "matthews": matthews_corrcoef,
        "precision": lambda y, p: precision_score(y, p, labels=[1], average="macro", zero_division=0),
        "recall": lambda y, p: recall_score(y, p, labels=[1], average="macro", zero_division=0),
        "f1": lambda y, p: f1_score(y, p, labels=[1], average="macro", zero_division=0),
    },
    "regression": {
        "pearson": lambda y, p: pearsonr(y, p).statistic,
        "spearman": lambda y, p: spearmanr(y, p).statistic,
        "r2": r2_score,
        "rmse": root_mean_squared_error,
        "mae": mean_absolute_error,
    },
    "multi-label": {
        "micro_f1": lambda y, p: f1_score(y, p, average="micro", zero_division=0),
        "macro_f1": lambda y, p: f1_score(y, p, average="macro", zero_division=np.nan),
        "weighted_f1": lambda y, p: f1_score(y, p, average="weighted", zero_division=0),
        "subset_accuracy": accuracy_score,
    },
}
EXAMPLES: dict[Kind, dict[str, tuple[object, object]]] = {
    "classification": {
        "one class predicted": ([0, 1, 1, 0], [0, 0, 0, 0]),
        "one class in the labels": ([1, 1, 1], [0, 1, 1]),
        "one class altogether": ([1, 1], [1, 1]),
        "a single example, right": ([1], [1]),
        "a single example, wrong": ([1], [0]),
        "a class only predicted": ([0, 1, 1], [0, 1, 2]),
        "a class absent": ([0, 1, 0, 1], [0, 1, 1, 1]),
        "all wrong": ([0, 1, 2], [1, 2, 0]),
    },
    "regression": {
        "constant predictions": ([0.0, 1.5, 5.0], [2.5, 2.5, 2.5]),
        "equal up to rounding": ([0.0, 1.5, 5.0], [0.3, 0.1 + 0.2, 0.3]),
        "constant labels": ([2.0, 2.0, 2.0], [1.0, 2.5, 3.0]),
        "both constant": ([2.0, 2.0], [1.0, 1.0]),
        "a single example": ([3.0], [2.0]),
        "ties": ([0.0, 0.0, 1.0, 1.0, 5.0], [1.0, 2.0, 2.0, 2.0, 9.0]),
        "perfect": ([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]),
        "upside down": ([0.0, 1.0, 5.0], [5.0, 1.0, 0.0]),
        "two examples": ([0.0, 1.0], [0.5, 0.25]),
    },
    "multi-label": {
        "nothing predicted": ([[1, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 0]]),
        "nothing in the labels": ([[0, 0, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]]),
        "nothing at all": ([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]),
        "a label absent": ([[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 0, 0]]),
        "a label only predicted": ([[1, 0, 0], [0, 1, 0]], [[1, 0, 1], [0, 1, 0]]),
        "a single example": ([[1, 0, 1]], [[1, 1, 1]]),
        "every label everywhere": ([[1, 1, 1], [1, 1, 1]], [[1, 1, 1], [1, 1, 0]]),
    },
}
DTYPES: dict[Kind, type] = {"classification": int, "regression": float, "multi-label": bool}
TASKS = {"classification": task_of(["a", "b", "c"], positive="b"), "regression": SCORE, "multi-label": TAGS}


def random_examples(kind: Kind, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """2 to 60; labels and predictions that are related, with classes that are absent and numbers that tie."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    if kind == "regression":
        numbers_N = rng.integers(0, 26, n) / 5
        return numbers_N, (numbers_N + rng.normal(size=n)).round(int(rng.integers(0, 8)))
    if kind == "multi-label":
        labels_NC = rng.random((n, 3)) < rng.random(3) * 0.7
        return labels_NC, labels_NC ^ (rng.random((n, 3)) < 0.3)
    labels_N = rng.integers(0, rng.integers(1, 4), n)
    return labels_N, np.where(rng.random(n) < 0.6, labels_N, rng.integers(0, 3, n))


ALL_EXAMPLES = [
    pytest.param(kind, *(np.array(of, dtype=DTYPES[kind]) for of in pair), id=f"{kind}: {name}")
    for kind, cases in EXAMPLES.items()
    for name, pair in cases.items()
] + [
    pytest.param(kind, *random_examples(kind, seed), id=f"{kind}: random {seed}")
    for kind in get_args(Kind)
    for seed in range(40)
]


@pytest.mark.parametrize(("kind", "labels_N", "predicted_N"), ALL_EXAMPLES)
def test_every_score_is_that_of_scikit_learn_or_scipy_or_undefined_where_theirs_is(
    kind: Kind, labels_N: np.ndarray, predicted_N: np.ndarray
) -> None:
    task = TASKS[kind]
    found, reasons = scores(task, labels_N, predicted_N), undefined(task, labels_N, predicted_N)
    assert set(found) == set(THEIRS[kind])
    for name, theirs in THEIRS[kind].items():
        expected = quietly(theirs, labels_N, predicted_N)
        value = found[name]
        if value is None:
            assert not math.isfinite(expected) or name in ("pearson", "spearman", "r2")
            assert reasons[name]
        elif math.isfinite(expected):
            assert value == pytest.approx(expected, abs=1e-12)
            assert name not in reasons
        else:  # macro F1 where no label occurs at all: a share of nothing
            assert (name, value) == ("macro_f1", 0)


def quietly(theirs: Truth, labels_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Their value, NaN where they refuse, without their warnings about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(theirs(labels_N, predicted_N))
        except ValueError:  # SciPy's, of a single example
            return math.nan


@pytest.mark.parametrize(
    ("case", "names", "reason"),
    [
        ("constant predictions", ["pearson", "spearman"], "every prediction is 2.5"),
        ("equal up to rounding", ["pearson", "spearman"], "every prediction is 0.3"),
        ("constant labels", ["pearson", "spearman", "r2"], "every label is 2"),
        ("a single example", ["pearson", "spearman", "r2"], "there is a single example"),
        ("perfect", [], ""),
    ],
)
def test_what_is_undefined_of_a_regression_says_why(case: str, names: list[str], reason: str) -> None:
    pair = [np.array(of, dtype=float) for of in EXAMPLES["regression"][case]]
    assert undefined(SCORE, pair[0], pair[1]) == dict.fromkeys(names, reason)


def test_binary_scores_are_those_of_the_positive_class() -> None:
    values = scores(SPAM, LABELS_N, PREDICTED_N)
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["accuracy"] == 6 / 8


def test_the_other_class_can_be_the_positive_one() -> None:
    ham = task_of(["ham", "spam"], positive="ham")
    assert scores(ham, LABELS_N, PREDICTED_N)["recall"] == pytest.approx(4 / 5)


@pytest.mark.parametrize("positive", [None, "spam"])
def test_the_scores_are_the_names_that_a_source_can_list(positive: str | None) -> None:
    task = task_of(["ham", "spam"], positive=positive)
    assert tuple(scores(task, LABELS_N, PREDICTED_N)) == metric_names("classification", positive)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_the_scores_of_its_row_in_the_table(kind: Kind) -> None:
    task = TASKS[kind]
    labels_N, predicted_N = random_examples(kind, seed=1)
    assert tuple(scores(task, labels_N, predicted_N)) == KINDS[kind].scores + (
        KINDS[kind].positive_scores if task.positive else ()
    )


def test_macro_f1_leaves_out_a_class_that_does_not_occur() -> None:
    task = task_of(["a", "b", "c"])
    assert scores(task, np.array([0, 1]), np.array([0, 1]))["macro_f1"] == 1


def test_macro_f1_counts_a_class_that_is_only_predicted() -> None:
    task = task_of(["a", "b", "c"])
    labels_N, predicted_N = np.array([0, 1, 1]), np.array([0, 1, 2])
    expected = f1_score(labels_N, predicted_N, average="macro")
    assert scores(task, labels_N, predicted_N)["macro_f1"] == expected == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_zero_divided_by_zero_is_zero_without_a_warning() -> None:
    never = scores_by_class(SPAM, np.array([1, 0]), np.array([0, 0]))["spam"]
    assert never == {"precision": 0, "recall": 0, "f1": 0}


@pytest.mark.parametrize("kind", ["classification", "multi-label"])
def test_every_class_of_the_task_has_its_scores(kind: Kind) -> None:
    labels_N, predicted_N = random_examples(kind, seed=2)
    found = scores_by_class(TASKS[kind], labels_N, predicted_N)
    assert list(found) == ["a", "b", "c"]
    is_b_N, said_b_N = (of == 1 if of.ndim == 1 else of[:, 1] for of in (labels_N, predicted_N))
    assert found["b"]["f1"] == pytest.approx(f1_score(is_b_N, said_b_N, zero_division=0))
