"""What differs between kinds of tasks: one table, which everything downstream asks.

Nothing falls back to classification: where a kind lacks something (a regression has no probabilities), its
row says so, and what depends on it is left out or refused by name. Where a kind needs code of its own, a
table `..._OF_KINDS` of functions stands beside that code, and tests/test_kinds.py holds each of them to
these keys.
"""

from typing import Literal, NamedTuple

Kind = Literal["classification", "regression", "multi-label"]


class Facts(NamedTuple):
    problem_type: str  # transformers' word for head and loss
    scores: tuple[str, ...]  # of every task of this kind, by the names that source.yaml lists under metrics
    positive_scores: tuple[str, ...]  # further ones, where the task has a positive class
    lower_is_better: frozenset[str]
    example_score: str  # the score that is a mean over the examples: what slices are judged by
    has_classes: bool  # outputs are one a class; otherwise there is a single one, the number itself
    has_probabilities: bool  # of one class out of several; and so decisions without a person
    has_thresholds: bool  # several classes may apply, each from a probability on that validation chose
    plots: tuple[str, ...]  # folders of metrics/evaluate, besides slices


KINDS: dict[Kind, Facts] = {
    "classification": Facts(
        problem_type="single_label_classification",
        scores=("accuracy", "macro_f1", "weighted_f1", "matthews"),
        positive_scores=("precision", "recall", "f1"),
        lower_is_better=frozenset(),
        example_score="accuracy",
        has_classes=True,
        has_probabilities=True,
        has_thresholds=False,
        plots=("confusion", "reliability", "precision_recall", "roc", "risk_coverage"),
    ),
    "regression": Facts(
        problem_type="regression",
        scores=("pearson", "spearman", "r2", "rmse", "mae"),
        positive_scores=(),
        lower_is_better=frozenset({"rmse", "mae"}),
        example_score="mae",
        has_classes=False,
        has_probabilities=False,
        has_thresholds=False,
        plots=("scatter", "residuals"),
    ),
    "multi-label": Facts(
        problem_type="multi_label_classification",
        scores=("micro_f1", "macro_f1", "weighted_f1", "subset_accuracy"),
        positive_scores=(),
        lower_is_better=frozenset(),
        example_score="subset_accuracy",
        has_classes=True,
        has_probabilities=False,
        has_thresholds=True,
        plots=("by_label", "reliability", "precision_recall", "roc"),
    ),
}
